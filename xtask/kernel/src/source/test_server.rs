//! An HTTP server for tests: it answers each connection with the next of the given answers, and
//! keeps what it was asked.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::http::Options;

/// What to do with one connection.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Send this, close.
    Send(String),
    /// Send this, then keep silent until the test ends.
    Stall(String),
}

/// 200 with this body.
pub(crate) fn whole(body: &str) -> Answer {
    reply("200 OK", &[], body.len(), body)
}

/// 206 with this part of a file of `size` bytes.
pub(crate) fn part(from: usize, size: usize, body: &str) -> Answer {
    let range = format!("Content-Range: bytes {from}-{}/{size}", size - 1);
    reply("206 Partial Content", &[&range], size - from, body)
}

/// Any reply. It announces `length` bytes; a shorter body is one that breaks off.
pub(crate) fn reply(status: &str, headers: &[&str], length: usize, body: &str) -> Answer {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    Answer::Send(format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    ))
}

/// The same, but the connection stays open.
pub(crate) fn stalling(answer: Answer) -> Answer {
    match answer {
        Answer::Send(text) | Answer::Stall(text) => Answer::Stall(text),
    }
}

/// A client that waits for as long as a test may.
pub(crate) fn options() -> Options {
    let limit = Duration::from_secs(20);
    Options { connect: limit, silence: limit, resumes: 3, direct: true }
}

/// The server. It ends with this value.
pub(crate) struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
    _end: Sender<()>,
}

impl Server {
    /// Serves as many connections as there are answers; later ones are refused.
    pub(crate) fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let answers: Vec<_> = answers.into_iter().collect();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (end, ended) = channel::<()>();
        let asked = requests.clone();
        thread::spawn(move || {
            let mut held = Vec::new();
            let last = answers.len();
            let mut listener = (last > 0).then_some(listener);
            for (number, answer) in answers.into_iter().enumerate() {
                let accepted = listener.as_ref().map(TcpListener::accept);
                let Some(Ok((mut stream, _))) = accepted else { return };
                if number + 1 == last {
                    // Before the answer: a client that has it may come back at once, and has to be
                    // refused.
                    listener = None;
                }
                asked.lock().unwrap().push(request(&mut stream));
                // The client may have gone: that is for the test to judge.
                match answer {
                    Answer::Send(text) => drop(stream.write_all(text.as_bytes())),
                    Answer::Stall(text) => {
                        drop(stream.write_all(text.as_bytes()));
                        held.push(stream);
                    }
                }
            }
            let _ = ended.recv();
        });
        Self { address, requests, _end: end }
    }

    /// The address of a file.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// The requests so far, head only, lower case.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|length| length > 0) {
        text.push(byte[0]);
    }
    String::from_utf8_lossy(&text).to_lowercase()
}
