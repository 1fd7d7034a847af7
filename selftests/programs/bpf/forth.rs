//! Threaded code: a program is a list of words, each a function of the machine.

#![cfg_attr(target_arch = "bpf", no_std)]

/// Words per program.
const WORDS: usize = 16;
/// Cells in the data stack.
const CELLS: usize = 8;
/// Limit of executed words.
const STEPS: u32 = 24;

bpf::plain! {
    /// The machine.
    struct Machine {
        /// The program; only the low four bits of each word matter.
        program: [u8; WORDS],
        /// The data stack, which wraps around.
        cells: [u64; CELLS],
        /// Index of the top of the stack.
        top: u64,
        /// Index of the next word.
        next: u64,
        /// Last value printed by `emit`.
        printed: u64,
    }
}

impl Machine {
    fn push(&mut self, value: u64) {
        let top = bpf::fresh(&self.top).wrapping_add(1);
        self.top = top;
        self.cells[top as usize % CELLS] = value;
    }

    fn pop(&mut self) -> u64 {
        let top = bpf::fresh(&self.top);
        self.top = top.wrapping_sub(1);
        self.cells[top as usize % CELLS]
    }
}

/// Executes a word; returns whether to continue.
type Word = fn(&mut Machine) -> bool;

fn bye(_: &mut Machine) -> bool {
    false
}
fn literal(machine: &mut Machine) -> bool {
    let next = bpf::fresh(&machine.next);
    machine.next = next.wrapping_add(1);
    machine.push(u64::from(machine.program[next as usize % WORDS]));
    true
}
fn dup(machine: &mut Machine) -> bool {
    let a = machine.pop();
    machine.push(a);
    machine.push(a);
    true
}
fn drop(machine: &mut Machine) -> bool {
    machine.pop();
    true
}
fn swap(machine: &mut Machine) -> bool {
    let (b, a) = (machine.pop(), machine.pop());
    machine.push(b);
    machine.push(a);
    true
}
fn plus(machine: &mut Machine) -> bool {
    let (b, a) = (machine.pop(), machine.pop());
    machine.push(a.wrapping_add(b));
    true
}
fn star(machine: &mut Machine) -> bool {
    let (b, a) = (machine.pop(), machine.pop());
    machine.push(a.wrapping_mul(b));
    true
}
fn invert(machine: &mut Machine) -> bool {
    let a = machine.pop();
    machine.push(!a);
    true
}
fn less(machine: &mut Machine) -> bool {
    let (b, a) = (machine.pop(), machine.pop());
    machine.push(if a < b { u64::MAX } else { 0 });
    true
}
fn emit(machine: &mut Machine) -> bool {
    let a = machine.pop();
    machine.printed = machine.printed << 8 | a & 0xff;
    true
}
fn skip_if(machine: &mut Machine) -> bool {
    if machine.pop() != 0 {
        machine.next = bpf::fresh(&machine.next).wrapping_add(1);
    }
    true
}
fn again(machine: &mut Machine) -> bool {
    machine.next = 0;
    true
}

static WORD: [Word; 16] = [
    bye, literal, dup, drop, swap, plus, star, invert, less, emit, skip_if, again, literal, plus,
    dup, emit,
];

fn run(machine: &mut Machine) -> u32 {
    machine.next = 0;
    machine.top = 0;
    machine.printed = 0;
    for _ in 0..STEPS {
        if !bpf::can_loop() {
            break;
        }
        let next = bpf::fresh(&machine.next);
        machine.next = next.wrapping_add(1);
        let word = machine.program[next as usize % WORDS];
        if !WORD[(word & 15) as usize](machine) {
            break;
        }
    }
    machine.printed as u32
}

bpf::syscall!(Machine, run);
