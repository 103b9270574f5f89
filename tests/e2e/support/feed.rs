//! A client of the live feed, as a browser's `EventSource` is one: it knows the
//! id that it would come back with.

use std::collections::VecDeque;
use std::io;

use serde_json::Value;

use super::http::{Client, Response, request};

/// An open feed.
pub(crate) struct Feed {
    client: Client,
    head: Response,
    rest: String,
    blocks: VecDeque<Block>,
    last_id: Option<String>,
}

/// What stands between two empty lines.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Block {
    /// The id, if there is one.
    pub(crate) id: Option<i64>,
    /// The event's name.
    pub(crate) event: Option<String>,
    /// Its data; without any it is no event.
    pub(crate) data: Option<Value>,
    /// How long the client should wait before it comes back.
    pub(crate) retry_ms: Option<u32>,
}

impl Feed {
    /// Asks for a feed, and reads the head of the answer.
    pub(crate) fn open(port: u16, query: &str, last_id: Option<&str>) -> io::Result<Feed> {
        Feed::open_on(Client::connect(port)?, query, last_id)
    }

    /// As [`Feed::open`], on this connection.
    pub(crate) fn open_on(
        mut client: Client,
        query: &str,
        last_id: Option<&str>,
    ) -> io::Result<Feed> {
        let mut headers = vec![("Accept", "text/event-stream")];
        headers.extend(last_id.map(|id| ("Last-Event-ID", id)));
        client.send(&request("GET", &format!("/feed{query}"), &headers, b""))?;
        let head = client.read_head()?;
        let last_id = last_id.map(str::to_owned);
        Ok(Feed { client, head, rest: String::new(), blocks: VecDeque::new(), last_id })
    }

    /// The head of the answer.
    pub(crate) fn head(&self) -> &Response {
        &self.head
    }

    /// The connection.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The id to come back with.
    pub(crate) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// The next block, whether or not it is an event; `None` at the end.
    pub(crate) fn block(&mut self) -> io::Result<Option<Block>> {
        while self.blocks.is_empty() {
            let Some(chunk) = self.client.read_chunk()? else {
                assert_eq!(self.rest, "", "it ends inside a block");
                return Ok(None);
            };
            self.rest += std::str::from_utf8(&chunk).expect("a chunk ends with a character");
            while let Some((block, rest)) = self.rest.split_once("\n\n") {
                self.blocks.push_back(Block::read(block));
                self.rest = rest.to_owned();
            }
        }
        let block = self.blocks.pop_front();
        if let Some(id) = block.as_ref().and_then(|block| block.id) {
            self.last_id = Some(id.to_string());
        }
        Ok(block)
    }

    /// The next event: its name and data. `None` at the end.
    pub(crate) fn event(&mut self) -> io::Result<Option<(String, Value)>> {
        while let Some(block) = self.block()? {
            if let Block { event: Some(event), data: Some(data), .. } = block {
                return Ok(Some((event, data)));
            }
        }
        Ok(None)
    }

    /// The next event, which must be a reading.
    ///
    /// # Panics
    ///
    /// If it is anything else.
    pub(crate) fn reading(&mut self) -> Value {
        match self.event() {
            Ok(Some((event, reading))) if event == "reading" => reading,
            other => panic!("expected a reading, found {other:?}"),
        }
    }
}

impl Block {
    fn read(text: &str) -> Block {
        let mut block = Block::default();
        for line in text.lines() {
            match line.split_once(": ").unwrap_or_else(|| panic!("`{line}` is no field")) {
                ("", _) => {}
                ("id", id) => block.id = Some(id.parse().expect("an id is a number")),
                ("event", event) => block.event = Some(event.to_owned()),
                ("data", data) => block.data = Some(serde_json::from_str(data).expect("JSON")),
                ("retry", retry) => block.retry_ms = Some(retry.parse().expect("a number")),
                (field, _) => panic!("{field} is no field of ours"),
            }
        }
        block
    }
}
