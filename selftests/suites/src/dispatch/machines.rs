//! State machines: the number that the next jump is indexed by is what an arm of the last one left
//! behind. The verifier has to follow each number, once for each round.

use std::fmt::Write as _;

use crate::builder::{accepts, ctx_u64s};
use crate::{Case, Feature};

/// A machine that reads the same input in each of its rounds.
#[derive(Clone, Copy)]
struct Machine {
    states: u32,
    rounds: u32,
    /// Every third state goes on with a number of three bits, of which only the range is known.
    ranges: bool,
}

/// Bits of a number of which only the range is known.
const RANGE: u32 = 7;

impl Machine {
    /// The bit of the input that state `number` tests, and the states that it goes on with if it is
    /// set and if it is not.
    const fn next(self, number: u32) -> (u32, u32, u32) {
        (1 << (number % 8), (number * 7 + 3) % self.states, (number * 5 + 1) % self.states)
    }

    const fn has_range(self, number: u32) -> bool {
        self.ranges && number % 3 == 2
    }

    /// The context begins with the input.
    fn program(self) -> String {
        let Self { states, rounds, .. } = self;
        let mut text = "
            r7 = r1
            r6 = 0
            r8 = 0
            r9 = 0
        head:
            r4 = *(u64 *)(r7 +0)
            r8 <<= 3
            r3 = T ll
            r3 += r8
            r3 = *(u64 *)(r3 +0)
            gotox r3
        "
        .to_owned();
        for number in 0..states {
            let (bit, set, clear) = self.next(number);
            let _ = writeln!(text, "s{number}:\nr9 += {}", number + 1);
            if self.has_range(number) {
                let _ = writeln!(text, "r8 = r4\nr8 &= {RANGE}\ngoto next");
            } else {
                let _ = writeln!(text, "r8 = {set}\nif r4 & {bit} goto next");
                let _ = writeln!(text, "r8 = {clear}\ngoto next");
            }
        }
        let _ = writeln!(text, "next:\nr6 += 1\nif r6 != {rounds} goto head\nr0 = r9\nexit");
        let names: Vec<String> = (0..states).map(|number| format!("s{number}")).collect();
        text + ".jumptable T: " + &names.join(", ") + "\n"
    }

    fn result(self, input: u64) -> u32 {
        let (mut state, mut sum) = (0, 0);
        for _ in 0..self.rounds {
            let (bit, set, clear) = self.next(state);
            sum += state + 1;
            state = match self.has_range(state) {
                true => input as u32 & RANGE,
                false if input & u64::from(bit) != 0 => set,
                false => clear,
            };
        }
        sum
    }

    fn case(self, name: &str, about: &str) -> Case {
        let mut case = accepts(name, about, self.program()).needs(Feature::Gotox);
        for input in [0, 0x35, 0xff] {
            case = case.run(ctx_u64s(&[input]), self.result(input));
        }
        case.fixed_by("bpf: Keep states where the ways of an indirect jump meet").into()
    }
}

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Machine { states: 8, rounds: 24, ranges: true }
            .case("dispatch/machine_8_24", "8 states, of which some are followed by a range"),
        Machine { states: 48, rounds: 40, ranges: true }.case(
            "dispatch/machine_48_40_ranges",
            "48 states, of which some are followed by a range",
        ),
    ]
}
