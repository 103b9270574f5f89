//! Closing without a reset.
//!
//! A socket that is closed while unread bytes lie in it resets the connection,
//! and the client may lose the answer that was already on its way. So we say
//! that we are done, and read what is still coming, within bounds.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How long a client may go on sending.
const LINGER_MAX: Duration = Duration::from_secs(10);

/// How long it may pause; by then it has read the answer.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How much it may go on sending.
const LINGER_BYTES_MAX: u64 = 64 << 20;

/// Shuts our side, then reads until the client shuts its own.
pub(crate) async fn linger<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    let goodbye = async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut left = LINGER_BYTES_MAX;
        let mut discarded = [0; 4096];
        while left > 0 {
            match tokio::time::timeout(PAUSE_MAX, stream.read(&mut discarded)).await {
                Ok(Ok(0) | Err(_)) | Err(_) => return,
                Ok(Ok(len)) => left = left.saturating_sub(len as u64),
            }
        }
    };
    // Out of patience, the reset is the client's own doing.
    drop(tokio::time::timeout(LINGER_MAX, goodbye).await);
}
