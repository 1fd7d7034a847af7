//! The states of a TCP connection (RFC 9293, section 3.3.2): a `match` over state and event.

#![cfg_attr(target_arch = "bpf", no_std)]

/// Events per input.
const EVENTS: usize = 20;

bpf::plain! {
    /// A connection.
    struct Io {
        /// The events, in order; only the low four bits matter.
        events: [u8; EVENTS],
        /// Events not allowed in the state.
        refused: u32,
        /// Segments sent.
        sent: u64,
        /// The state.
        state: u64,
    }
}

const CLOSED: u64 = 0;
const LISTEN: u64 = 1;
const SYN_SENT: u64 = 2;
const SYN_RECEIVED: u64 = 3;
const ESTABLISHED: u64 = 4;
const FIN_WAIT_1: u64 = 5;
const FIN_WAIT_2: u64 = 6;
const CLOSE_WAIT: u64 = 7;
const CLOSING: u64 = 8;
const LAST_ACK: u64 = 9;
const TIME_WAIT: u64 = 10;

const OPEN: u64 = 0;
const CONNECT: u64 = 1;
const SYN: u64 = 2;
const SYN_ACK: u64 = 3;
const ACK: u64 = 4;
const FIN: u64 = 5;
const CLOSE: u64 = 6;
const TIMEOUT: u64 = 7;

/// Combines state and event into one number.
const fn on(state: u64, event: u64) -> u64 {
    state << 3 | event
}

const TO_LISTEN: u64 = on(CLOSED, OPEN);
const CALLED: u64 = on(CLOSED, CONNECT);
const WAS_CALLED: u64 = on(LISTEN, SYN);
const CALLS_ITSELF: u64 = on(LISTEN, CONNECT);
const STOPPED_LISTENING: u64 = on(LISTEN, CLOSE);
const ANSWERED: u64 = on(SYN_SENT, SYN_ACK);
const BOTH_CALLED: u64 = on(SYN_SENT, SYN);
const GAVE_UP: u64 = on(SYN_SENT, CLOSE);
const NO_ANSWER: u64 = on(SYN_SENT, TIMEOUT);
const CONFIRMED: u64 = on(SYN_RECEIVED, ACK);
const CLOSED_EARLY: u64 = on(SYN_RECEIVED, CLOSE);
const NOT_CONFIRMED: u64 = on(SYN_RECEIVED, TIMEOUT);
const DATA: u64 = on(ESTABLISHED, ACK);
const OTHER_CLOSES: u64 = on(ESTABLISHED, FIN);
const THIS_CLOSES: u64 = on(ESTABLISHED, CLOSE);
const CLOSE_CONFIRMED: u64 = on(FIN_WAIT_1, ACK);
const BOTH_CLOSE: u64 = on(FIN_WAIT_1, FIN);
const OTHER_CLOSES_TOO: u64 = on(FIN_WAIT_2, FIN);
const CLOSES_TOO: u64 = on(CLOSE_WAIT, CLOSE);
const BOTH_CONFIRMED: u64 = on(CLOSING, ACK);
const LAST_CONFIRMED: u64 = on(LAST_ACK, ACK);
const WAITED: u64 = on(TIME_WAIT, TIMEOUT);

impl Io {
    fn send(&mut self, next: u64) {
        self.sent = self.sent.wrapping_add(1);
        self.state = next;
    }
}

fn run(io: &mut Io) -> u32 {
    io.state = CLOSED;
    io.sent = 0;
    io.refused = 0;
    for at in 0..EVENTS {
        if !bpf::can_loop() {
            break;
        }
        let event = u64::from(io.events[at]) & 7;
        match on(bpf::fresh(&io.state) & 15, event) {
            TO_LISTEN => io.state = LISTEN,
            CALLED | CALLS_ITSELF => io.send(SYN_SENT),
            WAS_CALLED | BOTH_CALLED => io.send(SYN_RECEIVED),
            STOPPED_LISTENING | GAVE_UP => io.state = CLOSED,
            ANSWERED => io.send(ESTABLISHED),
            NO_ANSWER | NOT_CONFIRMED => io.send(CLOSED),
            CONFIRMED => io.state = ESTABLISHED,
            CLOSED_EARLY | THIS_CLOSES => io.send(FIN_WAIT_1),
            DATA => io.send(ESTABLISHED),
            OTHER_CLOSES => io.send(CLOSE_WAIT),
            CLOSE_CONFIRMED => io.state = FIN_WAIT_2,
            BOTH_CLOSE => io.send(CLOSING),
            OTHER_CLOSES_TOO => io.send(TIME_WAIT),
            CLOSES_TOO => io.send(LAST_ACK),
            BOTH_CONFIRMED => io.state = TIME_WAIT,
            LAST_CONFIRMED | WAITED => io.state = CLOSED,
            _ => io.refused = io.refused.wrapping_add(1),
        }
    }
    bpf::fresh(&io.state) as u32
}

bpf::syscall!(Io, run);
