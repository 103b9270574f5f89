//! A blocking HTTP/1.1 client that shows what is on the wire: bytes in, parsed
//! answers out. It repairs nothing and repeats nothing.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use rustix::net::sockopt::set_socket_recv_buffer_size;
use serde_json::Value;

use super::PATIENCE;

/// The one door for single emissions.
pub(crate) const READINGS: &str = "/rssi_readings";

/// One connection.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

/// A response as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    /// Names as they were sent, in order.
    pub(crate) headers: Vec<(String, String)>,
    /// The body without its framing.
    pub(crate) body: Vec<u8>,
}

/// The answer to an emission.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The body; every answer of ours has one.
    pub(crate) json: Value,
}

impl Client {
    /// Connects to `127.0.0.1:port`. Reads give up after [`PATIENCE`].
    pub(crate) fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Makes reads give up after `limit`, with an error of the kind `WouldBlock`.
    pub(crate) fn set_patience(&self, limit: Duration) -> io::Result<()> {
        self.stream.get_ref().set_read_timeout(Some(limit))
    }

    /// Lets the kernel keep only about so much for this client, so that one that
    /// reads nothing is soon noticed.
    pub(crate) fn set_receive_buffer(&self, bytes: usize) -> io::Result<()> {
        Ok(set_socket_recv_buffer_size(self.stream.get_ref(), bytes)?)
    }

    /// Sends bytes as they are, a part of a request or several at once.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Sends no more: the server reads the end of the stream, and can still answer.
    pub(crate) fn finish_sending(&self) -> io::Result<()> {
        self.stream.get_ref().shutdown(Shutdown::Write)
    }

    /// Sends a request and reads its answer.
    pub(crate) fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Response> {
        self.send(&request(method, path, headers, body))?;
        if method == "HEAD" { self.read_head() } else { self.read_response() }
    }

    /// Sends a GET and reads its answer.
    pub(crate) fn get(&mut self, path: &str) -> io::Result<Response> {
        self.request("GET", path, &[], b"")
    }

    /// Sends an emission and reads its answer.
    pub(crate) fn post(&mut self, emission: &Value) -> io::Result<Answer> {
        self.send(&post(emission))?;
        self.read_answer()
    }

    /// Reads the next response, its body framed by length, by chunks, or by the connection's end.
    pub(crate) fn read_response(&mut self) -> io::Result<Response> {
        let mut response = self.read_head()?;
        let length = find(&response.headers, "content-length");
        if matches!(response.status, 100..=199 | 204 | 304) {
            return Ok(response);
        }
        if find(&response.headers, "transfer-encoding").is_some() {
            while let Some(chunk) = self.read_chunk()? {
                response.body.extend(chunk);
            }
            return Ok(response);
        }
        let body = &mut response.body;
        if let Some(length) = length {
            let length = length.parse().map_err(|_| broken("content-length", length))?;
            body.resize(length, 0);
            self.stream.read_exact(body)?;
        } else {
            self.stream.read_to_end(body)?;
        }
        Ok(response)
    }

    /// Reads the next chunk of a body; `None` at its end.
    pub(crate) fn read_chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = read_line(&mut self.stream)?;
        let size = u64::from_str_radix(&line, 16).map_err(|_| broken("chunk size", &line))?;
        let mut chunk = Vec::new();
        (&mut self.stream).take(size).read_to_end(&mut chunk)?;
        let end = read_line(&mut self.stream)?;
        if !end.is_empty() {
            return Err(broken("end of a chunk", &end));
        }
        Ok((size > 0).then_some(chunk))
    }

    /// Reads the next response as the answer to an emission.
    pub(crate) fn read_answer(&mut self) -> io::Result<Answer> {
        let response = self.read_response()?;
        Ok(Answer { status: response.status, json: response.json() })
    }

    /// Reads at most so many bytes, as a slow client does; 0 at the end.
    pub(crate) fn read_some(&mut self, bytes: usize) -> io::Result<usize> {
        self.stream.read(&mut vec![0; bytes])
    }

    /// Reads what is left until the server closes.
    pub(crate) fn read_to_close(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest)?;
        Ok(rest)
    }

    /// Reads the next head: all of the answer to HEAD.
    pub(crate) fn read_head(&mut self) -> io::Result<Response> {
        let line = read_line(&mut self.stream)?;
        let status = line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .ok_or_else(|| broken("status line", &line))?;
        let mut headers = Vec::new();
        loop {
            let line = read_line(&mut self.stream)?;
            if line.is_empty() {
                return Ok(Response { status, headers, body: Vec::new() });
            }
            let (name, value) = line.split_once(':').ok_or_else(|| broken("header", &line))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }
}

impl Response {
    /// The first header of this name, in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// If it is not.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Posts an emission on a connection of its own.
pub(crate) fn post_once(port: u16, emission: &Value) -> io::Result<Answer> {
    Client::connect(port)?.post(emission)
}

/// The bytes of a request; `Host` and `Content-Length` are added.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if !body.is_empty() || method == "POST" {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// The bytes of a POST of an emission; several of them in a row are a pipeline.
pub(crate) fn post(emission: &Value) -> Vec<u8> {
    let headers = [("Content-Type", "application/json")];
    request("POST", READINGS, &headers, emission.to_string().as_bytes())
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut matching = headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
    matching.next().map(|(_, value)| value.as_str())
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.strip_suffix("\r\n").map(str::to_owned).ok_or_else(|| broken("line", &line))
}

fn broken(what: &str, found: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("broken {what}: `{found}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// A server that answers with `script` at once and returns what it read.
    fn play(script: &'static [u8]) -> (u16, thread::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(script).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).unwrap();
            heard
        });
        (port, server)
    }

    #[test]
    fn reads_each_framing_from_one_stream() {
        let (port, server) = play(
            b"HTTP/1.1 201 Created\r\nContent-Length: 8\r\nX-A:  b \r\n\r\n{\"id\":1}\
              HTTP/1.1 100 Continue\r\n\r\n\
              HTTP/1.1 409 Conflict\r\ntransfer-encoding: chunked\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n\
              HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n\
              HTTP/1.1 200 OK\r\n\r\nto the end",
        );
        let mut client = Client::connect(port).unwrap();
        client
            .send(&[post(&super::super::distinct(1)), post(&super::super::distinct(2))].concat())
            .unwrap();
        client.finish_sending().unwrap();

        let created = client.read_response().unwrap();
        assert_eq!((created.status, created.header("x-a")), (201, Some("b")));
        assert_eq!(created.json()["id"], 1);
        assert_eq!(client.read_response().unwrap().status, 100);
        assert_eq!(client.read_answer().unwrap().json.to_string(), "[1,2]");
        assert_eq!(client.read_head().unwrap().header("CONTENT-LENGTH"), Some("100"));
        assert_eq!(client.read_response().unwrap().text(), "to the end");
        assert_eq!(client.read_to_close().unwrap(), b"");

        let heard = String::from_utf8(server.join().unwrap()).unwrap();
        assert_eq!(heard.matches("POST /rssi_readings HTTP/1.1\r\nHost: localhost\r\n").count(), 2);
    }

    #[test]
    fn tells_a_cut_and_a_silence_from_an_answer() {
        let (port, _server) = play(b"HTTP/1.1 201 Created\r\nContent-Length: 8\r\n\r\n{");
        let error = Client::connect(port).unwrap().read_response().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = Client::connect(listener.local_addr().unwrap().port()).unwrap();
        client.set_patience(Duration::from_millis(20)).unwrap();
        assert_eq!(client.get("/").unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
