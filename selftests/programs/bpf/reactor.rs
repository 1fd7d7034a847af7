//! An event loop: handlers react to events and post others; handlers of events can be replaced.

#![cfg_attr(target_arch = "bpf", no_std)]

/// Size of the queue.
const QUEUE: usize = 16;
/// Limit of handled events.
const STEPS: u32 = 16;

bpf::plain! {
    /// The loop.
    struct Reactor {
        /// Queued events.
        queue: [u8; QUEUE],
        /// Handler of each kind of event, by number.
        handlers: [u8; 4],
        /// Handled events.
        handled: u32,
        /// Index of the next event to take.
        head: u64,
        /// Index of the next free place.
        tail: u64,
        /// Sum computed by the handlers.
        total: u64,
    }
}

impl Reactor {
    fn post(&mut self, event: u8) {
        let tail = bpf::fresh(&self.tail);
        self.queue[tail as usize % QUEUE] = event;
        self.tail = tail.wrapping_add(1);
    }
}

/// Handles an event.
type Handler = fn(&mut Reactor, u8);

fn ignore(_: &mut Reactor, _: u8) {}

fn add(reactor: &mut Reactor, event: u8) {
    reactor.total = reactor.total.wrapping_add(u64::from(event >> 2));
}

fn split(reactor: &mut Reactor, event: u8) {
    reactor.post(event >> 1);
    reactor.post((event >> 2).wrapping_add(1));
}

fn swap_handlers(reactor: &mut Reactor, event: u8) {
    let [a, b, c, d] = reactor.handlers;
    reactor.handlers = [b, c, d, a];
    reactor.total ^= u64::from(event);
}

fn repeat(reactor: &mut Reactor, event: u8) {
    if event > 8 {
        reactor.post(event.wrapping_sub(8));
    }
    reactor.total = reactor.total.rotate_left(3);
}

static HANDLERS: [Handler; 5] = [ignore, add, split, swap_handlers, repeat];

fn run(reactor: &mut Reactor) -> u32 {
    reactor.head = 0;
    reactor.tail = 6;
    reactor.total = 0;
    reactor.handled = 0;
    for _ in 0..STEPS {
        if !bpf::can_loop() || bpf::fresh(&reactor.head) == bpf::fresh(&reactor.tail) {
            break;
        }
        let head = bpf::fresh(&reactor.head);
        reactor.head = head.wrapping_add(1);
        let event = reactor.queue[head as usize % QUEUE];
        let handler = reactor.handlers[event as usize & 3];
        if let Some(handler) = HANDLERS.get(handler as usize & 7) {
            handler(reactor, event);
            reactor.handled = reactor.handled.wrapping_add(1);
        }
    }
    reactor.handled
}

bpf::syscall!(Reactor, run);
