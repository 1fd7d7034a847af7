//! The channel against agents that are threads at the other end of a socket pair.

use std::thread::{JoinHandle, sleep, spawn};

use bpf_wire::{Batch, BatchReport, Mode};

use super::*;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(60);

impl Channel {
    /// Sends a request and waits for its answer.
    fn exchange(
        &mut self,
        request: &Request,
        deadline: Duration,
    ) -> Result<Response, ChannelError> {
        self.submit(request)?;
        self.answer(deadline)
    }
}

fn request() -> Request {
    Request::Batch(Batch { name: "a/b".into(), mode: Mode::Jit, steps: Vec::new() })
}

fn answer() -> Response {
    Response::Batch(BatchReport { steps: Vec::new(), jit_enable: 1, jit_harden: 0 })
}

/// A request that is as long as this image.
fn large_request(image: Vec<u8>) -> Request {
    Request::LoadModule {
        name: "a/b".into(),
        image,
        params: String::new(),
        mode: Mode::Jit,
        without_caps: Vec::new(),
    }
}

/// A channel with the given patience, and an agent that does as told.
fn with_agent(
    patience: Duration,
    agent: impl FnOnce(UnixStream) + Send + 'static,
) -> (Channel, JoinHandle<()>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (Channel::new(ours, patience, None).unwrap(), spawn(move || agent(theirs)))
}

fn send(stream: &mut UnixStream, seq: u32, response: &Response) {
    stream.write_all(&encode(seq, response).unwrap()).unwrap();
}

/// Reads until we hang up.
fn linger(mut stream: UnixStream) {
    let _ = io::copy(&mut stream, &mut io::sink());
}

/// Reads one request.
fn receive(stream: &mut UnixStream, decoder: &mut Decoder<Request>) -> Request {
    let mut chunk = vec![0; 1 << 16];
    loop {
        if let Some(record) = decoder.pop().unwrap() {
            return record.body;
        }
        let count = stream.read(&mut chunk).unwrap();
        decoder.push(&chunk[..count]);
    }
}

#[test]
fn requests_are_numbered_and_answered() {
    let (mut channel, agent) = with_agent(LONG, |mut stream| {
        let mut decoder = Decoder::new();
        for seq in 0..3 {
            assert_eq!(receive(&mut stream, &mut decoder), request());
            send(&mut stream, seq, &answer());
        }
    });
    for _ in 0..3 {
        assert_eq!(channel.exchange(&request(), LONG).unwrap(), answer());
    }
    agent.join().unwrap();
}

#[test]
fn heartbeats_are_no_answers_but_signs_of_life() {
    let (mut channel, agent) = with_agent(SHORT * 10, |mut stream| {
        receive(&mut stream, &mut Decoder::new());
        for seq in 0..8 {
            send(&mut stream, seq, &Response::Heartbeat);
            sleep(SHORT * 2);
        }
        send(&mut stream, 8, &answer());
    });
    // Longer than the patience in all.
    assert_eq!(channel.exchange(&request(), LONG).unwrap(), answer());
    agent.join().unwrap();
}

#[test]
fn silence_is_told_from_a_record_that_stops() {
    let (mut channel, _) = with_agent(SHORT, linger);
    let error = channel.exchange(&request(), LONG).unwrap_err();
    assert!(matches!(error, ChannelError::Silent(_)), "{error}");

    let (mut channel, _) = with_agent(SHORT, |mut stream| {
        let record = encode(0, &answer()).unwrap();
        stream.write_all(&record[..record.len() / 2]).unwrap();
        linger(stream);
    });
    let half = encode(0, &answer()).unwrap().len() / 2;
    match channel.exchange(&request(), LONG).unwrap_err() {
        ChannelError::Stopped { bytes, .. } => assert_eq!(bytes, half),
        error => panic!("{error}"),
    }
}

#[test]
fn an_agent_that_beats_without_end_meets_the_deadline() {
    let (mut channel, _) = with_agent(LONG, |mut stream| {
        for seq in 0.. {
            let record = encode(seq, &Response::Heartbeat).unwrap();
            if stream.write_all(&record).is_err() {
                break;
            }
            sleep(SHORT / 4);
        }
    });
    let error = channel.exchange(&request(), SHORT * 4).unwrap_err();
    assert!(matches!(error, ChannelError::Deadline(_)), "{error}");
}

#[test]
fn garbage_is_refused() {
    let (mut channel, _) = with_agent(LONG, |mut stream| {
        stream.write_all(b"Kernel panic - not syncing").unwrap();
        linger(stream);
    });
    let error = channel.exchange(&request(), LONG).unwrap_err();
    assert!(matches!(error, ChannelError::Invalid(DecodeError::BadMagic { .. })), "{error}");
}

#[test]
fn a_missing_record_is_noticed() {
    let (mut channel, _) = with_agent(LONG, |mut stream| {
        send(&mut stream, 1, &answer());
        linger(stream);
    });
    let error = channel.exchange(&request(), LONG).unwrap_err();
    assert!(
        matches!(
            error,
            ChannelError::Invalid(DecodeError::OutOfOrder { expected: 0, found: 1, .. })
        ),
        "{error}"
    );
}

#[test]
fn a_slow_agent_is_alive_as_long_as_bytes_come() {
    let (mut channel, agent) = with_agent(SHORT * 10, |mut stream| {
        receive(&mut stream, &mut Decoder::new());
        for byte in encode(0, &answer()).unwrap() {
            stream.write_all(&[byte]).unwrap();
            sleep(SHORT);
        }
    });
    assert_eq!(channel.exchange(&request(), LONG).unwrap(), answer());
    agent.join().unwrap();
}

#[test]
fn a_dead_agent_closes_the_channel() {
    let (mut channel, agent) = with_agent(LONG, drop);
    agent.join().unwrap();
    let error = channel.exchange(&request(), LONG).unwrap_err();
    assert!(matches!(error, ChannelError::Closed), "{error}");
}

#[test]
fn what_was_said_before_the_end_counts() {
    let (mut channel, agent) = with_agent(LONG, |mut stream| {
        receive(&mut stream, &mut Decoder::new());
        send(&mut stream, 0, &answer());
    });
    assert_eq!(channel.exchange(&request(), LONG).unwrap(), answer());
    agent.join().unwrap();
    let error = channel.exchange(&request(), LONG).unwrap_err();
    assert!(matches!(error, ChannelError::Closed), "{error}");
}

#[test]
fn large_requests_and_answers_cross_at_the_same_time() {
    // More than any socket buffer, both ways: whoever only writes would block forever.
    let big = Response::Trouble("x".repeat(8 << 20));
    let reply = big.clone();
    let (mut channel, agent) = with_agent(LONG, move |stream| {
        let mut writing = stream.try_clone().unwrap();
        send(&mut writing, 0, &reply);
        linger(stream);
    });
    let request = large_request(vec![7; 8 << 20]);
    assert!(channel.exchange(&request, LONG).unwrap() == big);
    drop(channel);
    agent.join().unwrap();
}

#[test]
fn a_request_without_answer_waits_for_none() {
    let (mut channel, agent) = with_agent(LONG, |mut stream| {
        assert_eq!(receive(&mut stream, &mut Decoder::new()), Request::PowerOff);
    });
    channel.send(&Request::PowerOff, LONG).unwrap();
    agent.join().unwrap();
}

#[test]
fn an_agent_that_reads_nothing_meets_the_deadline() {
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let (mut channel, _) = with_agent(LONG, move |_stream| assert!(wait.recv().is_err()));
    let request = large_request(vec![0; 8 << 20]);
    let error = channel.exchange(&request, SHORT).unwrap_err();
    assert!(matches!(error, ChannelError::Deadline(_)), "{error}");
    drop(done);
}

#[test]
fn what_was_sent_ahead_is_answered_in_order() {
    let (mut channel, agent) = with_agent(LONG, |mut stream| {
        let mut decoder = Decoder::new();
        let (one, two) = (receive(&mut stream, &mut decoder), receive(&mut stream, &mut decoder));
        assert_eq!((one, two), (request(), large_request(vec![1])));
        send(&mut stream, 0, &answer());
        send(&mut stream, 1, &Response::Module { errno: 2 });
    });
    channel.submit(&request()).unwrap();
    channel.submit(&large_request(vec![1])).unwrap();
    assert_eq!(channel.answer(LONG).unwrap(), answer());
    assert_eq!(channel.answer(LONG).unwrap(), Response::Module { errno: 2 });
    agent.join().unwrap();
}

#[test]
fn what_is_too_long_to_send_at_once_goes_while_an_answer_is_awaited() {
    let (mut channel, agent) = with_agent(LONG, |mut stream| {
        let mut decoder = Decoder::new();
        receive(&mut stream, &mut decoder);
        send(&mut stream, 0, &answer());
        assert_eq!(receive(&mut stream, &mut decoder), large_request(vec![7; 8 << 20]));
        send(&mut stream, 1, &Response::Module { errno: 0 });
    });
    channel.submit(&request()).unwrap();
    channel.submit(&large_request(vec![7; 8 << 20])).unwrap();
    assert_eq!(channel.answer(LONG).unwrap(), answer());
    assert_eq!(channel.answer(LONG).unwrap(), Response::Module { errno: 0 });
    agent.join().unwrap();
}

#[test]
fn an_agent_that_ends_has_answered_what_it_answered() {
    let (mut channel, agent) = with_agent(LONG, |mut stream| {
        receive(&mut stream, &mut Decoder::new());
        send(&mut stream, 0, &answer());
    });
    channel.submit(&request()).unwrap();
    agent.join().unwrap();
    // Nobody reads it, which is no reason to lose what was said before.
    channel.submit(&request()).unwrap();
    assert_eq!(channel.answer(LONG).unwrap(), answer());
    let error = channel.answer(LONG).unwrap_err();
    assert!(matches!(error, ChannelError::Closed), "{error}");
}
