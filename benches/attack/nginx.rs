//! The nginx that all tools are sent against, and what it counts itself.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use crate::support::server::{STATUS, Server};

/// More than any tool should open; vegeta's default workers do open thousands.
const CONNECTIONS_MAX: usize = 60_000;

pub(crate) struct Nginx {
    pub(crate) server: Server,
    url: String,
}

/// Since nginx started, without those that asked for the counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) connections: u64,
    pub(crate) requests: u64,
}

impl Nginx {
    pub(crate) fn start(dir: &Path) -> anyhow::Result<Nginx> {
        let server = Server::nginx(dir, CONNECTIONS_MAX)?;
        Ok(Nginx { url: format!("http://{}/rssi_readings", server.address), server })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What was asked since `before`, if that was the last time that counts were asked for.
    pub(crate) fn since(&self, before: Counts) -> anyhow::Result<Counts> {
        let now = self.counts()?;
        Ok(Counts {
            connections: now.connections - before.connections - 1,
            requests: now.requests - before.requests - 1,
        })
    }

    pub(crate) fn counts(&self) -> anyhow::Result<Counts> {
        let mut text = String::new();
        let asked = TcpStream::connect(self.server.address).and_then(|mut tcp| {
            tcp.set_read_timeout(Some(Duration::from_secs(10)))?;
            tcp.write_all(
                format!("GET {STATUS} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes(),
            )?;
            tcp.read_to_string(&mut text)
        });
        asked.context("cannot ask nginx for its counts")?;
        // The line under `server accepts handled requests`.
        let line = text.lines().skip_while(|line| !line.starts_with("server accepts")).nth(1);
        let numbers = line.unwrap_or_default().split_whitespace().map(str::parse);
        match numbers.collect::<Result<Vec<u64>, _>>().as_deref() {
            Ok(&[connections, _, requests]) => Ok(Counts { connections, requests }),
            _ => anyhow::bail!("expected counts from nginx, found `{text}`"),
        }
    }
}
