//! Suite `dispatch`: loops that select one of many functions in each iteration, through an indirect
//! call, an indirect jump or comparisons.
//!
//! Their point is the cost of verification. [`program`] also generates them for benchmarks.

mod attacks_cost;
mod compiled;
mod machines;

use std::fmt::Write as _;

use crate::builder::{accepts, ctx_u64s, errno, rejects};
use crate::{Case, Feature};

/// How a function is selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A sequence of comparisons, with a direct call in each arm: what compilers emit without
    /// indirect jumps.
    Comparisons,
    /// `gotox`, with a direct call in each arm.
    Gotox,
    /// `callx` of a table entry.
    Callx,
}

/// Source of the function's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// The context, loaded again in each iteration.
    Context,
    /// The context, loaded once before the loop.
    Masked,
}

/// Use of a function's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sum {
    /// Ignored.
    Ignored,
    /// Added to a register.
    Register,
    /// Added to a word on the stack.
    Stack,
}

/// A loop of `rounds` iterations, each of which calls one of `functions` functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// How the function is selected.
    pub kind: Kind,
    /// Number of functions.
    pub functions: usize,
    /// Number of iterations.
    pub rounds: usize,
    /// Source of the number.
    pub index: Index,
    /// Use of the result.
    pub sum: Sum,
}

impl Dispatch {
    /// The loop with the number from the context and the results ignored.
    pub const fn new(kind: Kind, functions: usize, rounds: usize) -> Self {
        Self { kind, functions, rounds, index: Index::Context, sum: Sum::Ignored }
    }

    /// The program's result if the context selects the function `number`: function `k` returns `k +
    /// 1`, and without a sum the program returns the number of iterations.
    pub const fn result(&self, number: usize) -> u32 {
        match self.sum {
            Sum::Ignored => self.rounds as u32,
            Sum::Register | Sum::Stack => (self.rounds * (number % self.functions + 1)) as u32,
        }
    }
}

/// The program in the assembler's notation. Its context starts with the function's number, which is
/// taken modulo the number of functions.
pub fn program(shape: Dispatch) -> String {
    let Dispatch { kind, functions, rounds, index, sum } = shape;
    let load = format!(
        "
            r9 = *(u64 *)(r7 +0)
            r9 %= {functions}
        "
    );
    let mut text = "r7 = r1\nr6 = 0\n".to_owned();
    match sum {
        Sum::Ignored => {}
        Sum::Register => text += "r8 = 0\n",
        Sum::Stack => text += "*(u64 *)(r10 -8) = 0\n",
    }
    if index == Index::Masked {
        text += &load;
    }
    text += "head:\n";
    if index == Index::Context {
        text += &load;
    }
    text += &choice(kind, functions);
    text += match sum {
        Sum::Ignored => "",
        Sum::Register => "r8 += r0\n",
        Sum::Stack => "r1 = *(u64 *)(r10 -8)\nr1 += r0\n*(u64 *)(r10 -8) = r1\n",
    };
    let _ = writeln!(text, "r6 += 1\nif r6 != {rounds} goto head");
    text += match sum {
        Sum::Ignored => "r0 = r6\n",
        Sum::Register => "r0 = r8\n",
        Sum::Stack => "r0 = *(u64 *)(r10 -8)\n",
    };
    text += "exit\n";
    let names = |prefix: &str| {
        let names: Vec<String> = (0..functions).map(|number| format!("{prefix}{number}")).collect();
        names.join(", ")
    };
    match kind {
        Kind::Comparisons => {}
        Kind::Gotox => {
            let _ = writeln!(text, ".jumptable T: {}", names("arm"));
        }
        Kind::Callx => {
            let _ = writeln!(text, ".data T .rodata: {}", names("f"));
        }
    }
    for number in 0..functions {
        let _ = writeln!(text, ".func f{number}\nr0 = {}\nexit", number + 1);
    }
    text
}

/// Calls the function whose number is in r9; r0 becomes its result.
fn choice(kind: Kind, functions: usize) -> String {
    let element = "
            r2 = r9
            r2 <<= 3
            r1 = T ll
            r1 += r2
            r1 = *(u64 *)(r1 +0)
        ";
    let mut text = String::new();
    match kind {
        Kind::Comparisons => {
            for number in 0..functions - 1 {
                let _ = writeln!(
                    text,
                    "if r9 != {number} goto not{number}\ncall f{number}\ngoto join\nnot{number}:"
                );
            }
            let _ = writeln!(text, "call f{}\njoin:", functions - 1);
            return text;
        }
        Kind::Gotox => text += &format!("{element}gotox r1\n"),
        Kind::Callx => return format!("{element}callx r1\n"),
    }
    for number in 0..functions {
        let _ = writeln!(text, "arm{number}:\ncall f{number}");
        // The last arm is followed by the join.
        if number + 1 < functions {
            text += "goto join\n";
        }
    }
    text + "join:\n"
}

/// A program of `count` blocks, each of which jumps through a table shared by all; the third block
/// executed ends it.
pub fn many_jumps(count: usize) -> String {
    let mut text = "r6 = 0\ngoto b0\nout:\nr0 = r6\nexit\n".to_owned();
    for number in 0..count {
        let _ = write!(
            text,
            "
            b{number}:
                r6 += 1
                if r6 == 3 goto out
                r2 = *(u64 *)(r1 +0)
                r2 %= {count}
                r2 <<= 3
                r3 = T ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            "
        );
    }
    let names: Vec<String> = (0..count).map(|number| format!("b{number}")).collect();
    let _ = writeln!(text, ".jumptable T: {}", names.join(", "));
    text
}

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        accepts(
            "dispatch/many_jumps_200",
            "200 jumps, each of which may lead to each of 200 labels",
            many_jumps(200),
        )
        .needs(Feature::Gotox)
        .runs(&[(0, 3), (199, 3)])
        .into(),
        rejects(
            "dispatch/many_jumps_1000",
            "a million edges are too many: computing with them would take minutes",
            many_jumps(1000),
        )
        .needs(Feature::Gotox)
        .errno(errno::E2BIG)
        .log("number of indirect jump edges exceeds 131072")
        .fixed_by("bpf: Compute the targets of indirect jumps once")
        .into(),
    ];
    for (kind, name, feature) in
        [(Kind::Callx, "callx", Feature::Callx), (Kind::Gotox, "gotox", Feature::Gotox)]
    {
        for (functions, rounds) in [(16, 64), (64, 64), (200, 64), (16, 600), (200, 20), (200, 600)]
        {
            let shape = Dispatch::new(kind, functions, rounds);
            cases.push(case(
                format!("dispatch/{name}_{functions}_{rounds}"),
                format!("{rounds} rounds of a loop over {functions} functions"),
                feature,
                shape,
            ));
        }
        for (index, index_name) in [(Index::Context, "context"), (Index::Masked, "masked")] {
            for (sum, sum_name) in [(Sum::Register, "register"), (Sum::Stack, "stack")] {
                let shape = Dispatch { index, sum, ..Dispatch::new(kind, 32, 8) };
                cases.push(case(
                    format!("dispatch/{name}_{index_name}_{sum_name}"),
                    format!("the number from the context ({index_name}), the sum in: {sum_name}"),
                    feature,
                    shape,
                ));
            }
        }
    }
    cases.extend(attacks_cost::cases());
    cases.extend(machines::cases());
    cases.extend(compiled::cases());
    cases
}

fn case(name: String, about: String, feature: Feature, shape: Dispatch) -> Case {
    let mut case = accepts(name, about, program(shape)).needs(feature);
    for number in [0, shape.functions / 2, shape.functions - 1] {
        case = case.run(ctx_u64s(&[number as u64]), shape.result(number));
    }
    case.into()
}
