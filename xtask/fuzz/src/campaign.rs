//! A campaign: rounds of programs, each in the first mode and, if accepted, in the others; what two
//! variants of one program show together; what is done with a find.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::Result;
use bpf_generate::shrink::{self, Answer};
use bpf_generate::{Bytes, Sample};
use bpf_model::Input;
use bpf_wire::{Mode, Step};

use crate::finds::{Find, Finds};
use crate::programs::{Origin, Program, Programs};
use crate::tally::{Tally, kind_of};
use harness_host::interrupt;
use harness_results::event::Stream;
use harness_results::record::Record;
use harness_session::{self as session, Executor, Part, Test, Workers};
use harness_suites::contain;
use harness_suites::generated::{FIRST, Generated, Seen, others, own_fault};

/// Programs of a round at most, with one guest.
const ROUND: u64 = 64;

/// Runs that minimising a find may take; fewer if each ends a guest.
const SHRINKING: (usize, usize) = (600, 60);

/// How long minimising a find may take.
const SHRINKING_TIME: Duration = Duration::from_secs(120);

/// What one variant may take of the verifier in instructions for one of the other, and how many any
/// may take.
const RATIO: (u64, u64) = (10, 5_000);

/// Verdicts that the verifier does not promise to keep between variants, by what it says.
///
/// - A loop or branch that is explored until the limit, in one order and not in another.
/// - Functions that are called through a register may not make tail calls.
/// - What was learnt of a number that is compared with each arm is more than what a table says.
const EXCUSES: [&str; 4] =
    ["too large", "tail_calls are not allowed", "sequence of", "infinite loop detected"];

/// How a campaign is run.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The seed.
    pub seed: u64,
    /// When it ends.
    pub time: Duration,
    /// Whether the model is compared with what the verifier knows before each instruction.
    pub contain: bool,
    /// Whether it ends with the first round that finds something, and nothing is minimised or kept.
    pub first: bool,
}

/// A campaign.
#[derive(Debug)]
pub struct Campaign<'a> {
    rules: Rules,
    programs: &'a Programs,
    contain: Option<contain::Tally>,
    /// What was done.
    pub tally: Tally,
    /// What was found.
    pub finds: Finds,
    /// When it began.
    started: Instant,
    next: u64,
}

/// What came of a program.
#[derive(Debug)]
struct Ran {
    program: Program,
    test: Generated,
    records: Vec<Record>,
}

/// Where programs run.
pub struct Guests<'a> {
    /// The first guest.
    pub first: &'a mut dyn Executor,
    /// The others.
    pub workers: &'a dyn Workers,
}

impl<'a> Campaign<'a> {
    /// Nothing done yet.
    pub fn new(rules: Rules, programs: &'a Programs, finds: Finds) -> Self {
        Self {
            contain: rules.contain.then(contain::Tally::default),
            rules,
            programs,
            tally: Tally::default(),
            finds,
            started: Instant::now(),
            next: 0,
        }
    }

    /// Runs so much longer.
    pub fn prolong(&mut self, time: Duration) {
        self.rules.time += time;
    }

    /// How long it runs.
    pub fn took(&self) -> Duration {
        self.started.elapsed()
    }

    /// What containment has looked at.
    pub fn contained(&self) -> String {
        self.contain.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// Runs rounds until the time is over, telling `tell` of each find and `round` of each round. Gives
    /// the finds of the last round, if it ends with the first.
    ///
    /// # Errors
    ///
    /// When no guest can be started, a find cannot be written, or the user stops it.
    pub fn run(
        &mut self,
        guests: &mut Guests<'_>,
        tell: &mut dyn FnMut(&str),
        round: &mut dyn FnMut(&Self),
    ) -> Result<Vec<(Find, Sample)>> {
        while self.took() < self.rules.time && self.programs.has(self.next) {
            interrupt::check()?;
            let count = self.next_round(1 + guests.workers.helpers());
            let ran = self.round(self.next..self.next + count, guests)?;
            self.next += count;
            round(self);
            let mut found = self.found(&ran);
            found.retain(|(find, _)| self.finds.is_new(find));
            if self.rules.first {
                // What two programs show together cannot be tried on another kernel.
                found.retain(|(find, _)| !find.cause.starts_with(VARIANTS));
                if !found.is_empty() {
                    return Ok(found.into_iter().map(|(find, it)| (find, it.sample)).collect());
                }
            }
            for (find, program) in found {
                self.keep(find, &program, guests, tell)?;
            }
        }
        Ok(Vec::new())
    }

    /// How many programs the next round has: as many as take some seconds, as far as that is known. A
    /// further guest is started and ended with each round, so with several they are longer.
    fn next_round(&self, jobs: usize) -> u64 {
        let (least, most, seconds) = match jobs {
            1 => (ROUND / 4, ROUND, 10.0),
            _ => (ROUND / 4 * jobs as u64, 16 * ROUND * jobs as u64, 30.0),
        };
        let rate = self.next as f64 / self.took().as_secs_f64().max(0.001);
        if self.next == 0 { least } else { ((rate * seconds) as u64).clamp(least, most) }
    }

    fn round(&mut self, numbers: Range<u64>, guests: &mut Guests<'_>) -> Result<Vec<Ran>> {
        let mut ran = Vec::new();
        for program in numbers.flat_map(|number| self.programs.take(number)) {
            match self.prepare(&program) {
                Ok(test) => ran.push(Ran { program, test, records: Vec::new() }),
                Err(_) => self.tally.invalid += 1,
            }
        }
        execute(&mut ran, guests)?;
        for Ran { program, test, .. } in &ran {
            let example = self.tally.count(program.origin, test.first().as_ref());
            if let Some(reason) = example.filter(|_| !self.rules.first) {
                self.finds.write_rejected(&reason, &program.sample)?;
            }
            self.tally.loads += test.seen().len() as u64;
        }
        Ok(ran)
    }

    fn prepare(&self, program: &Program) -> Result<Generated, String> {
        let name = match program.origin {
            Origin::Variant(_) => format!("fuzz/{}_{}_variant", self.rules.seed, program.number),
            _ => format!("fuzz/{}_{}", self.rules.seed, program.number),
        };
        prepare(&name, &program.sample, self.contain.clone())
    }

    /// What is wrong in a round.
    fn found(&mut self, ran: &[Ran]) -> Vec<(Find, Program)> {
        let mut found = Vec::new();
        for Ran { program, records, .. } in ran {
            found.extend(records.iter().find_map(Find::of).map(|find| (find, program.clone())));
        }
        for pair in ran.windows(2) {
            let [one, other] = pair else { continue };
            if let Origin::Variant(_) = other.program.origin
                && one.program.number == other.program.number
            {
                self.tally.pairs += 1;
                match compare(one, other) {
                    Compared::Same => {}
                    Compared::Excused => self.tally.excused += 1,
                    Compared::Different(find) => found.push((*find, other.program.clone())),
                }
            }
        }
        found
    }

    /// Writes a find, minimises it and writes it again.
    fn keep(
        &mut self,
        find: Find,
        program: &Program,
        guests: &mut Guests<'_>,
        tell: &mut dyn FnMut(&str),
    ) -> Result<()> {
        let about = format!(
            "seed {}, program {}, {}",
            self.rules.seed,
            program.number,
            program.origin.name()
        );
        let folder = self.finds.write(&find, &program.sample, &about)?;
        self.finds.write_original(&folder, &program.sample)?;
        tell(&format!("find: {}\n  {}", find.title(), folder.display()));
        // Two programs are needed to show that their verdicts differ.
        if find.cause.starts_with(VARIANTS) {
            return Ok(());
        }
        match minimise(&find, &program.sample, self.contain.clone(), guests)? {
            None => {
                let about = format!("{about}\nDID NOT COME AGAIN when it was run by itself");
                self.finds.write(&find, &program.sample, &about)?;
                tell("  did not come again when it was run by itself");
            }
            Some((find, small)) => {
                self.finds.write(&find, &small, &about)?;
                let (before, after) = (lines(&program.sample), lines(&small));
                tell(&format!("  minimised from {before} lines to {after}"));
            }
        }
        Ok(())
    }
}

/// Makes a program smaller as long as it shows a find of the same cause. None if it does not show it
/// when it is run by itself.
///
/// # Errors
///
/// When no guest can be started, or the user stops it.
pub fn minimise(
    find: &Find,
    sample: &Sample,
    contain: Option<contain::Tally>,
    guests: &mut Guests<'_>,
) -> Result<Option<(Find, Sample)>> {
    let most = if find.deadly { SHRINKING.1 } else { SHRINKING.0 };
    let started = Instant::now();
    let mut last: Option<(Find, Sample, Generated)> = None;
    let mut interesting = |sample: &Sample| -> Result<Answer> {
        interrupt::check()?;
        let Ok(test) = prepare("fuzz/smaller", sample, contain.clone()) else {
            return Ok(Answer::Invalid);
        };
        if let Some((_, smallest, same)) = &mut last
            && test.is_same(same)
        {
            *smallest = sample.clone();
            return Ok(Answer::Same);
        }
        if started.elapsed() > SHRINKING_TIME {
            return Ok(Answer::No);
        }
        let program = Program { number: 0, origin: Origin::File, sample: sample.clone() };
        let mut ran = vec![Ran { program, test, records: Vec::new() }];
        execute(&mut ran, guests)?;
        for Ran { test, records, .. } in ran {
            let mut again = records.iter().filter_map(Find::of);
            if let Some(same) = again.find(|again| again.cause == find.cause) {
                last = Some((same, sample.clone(), test));
                return Ok(Answer::Yes);
            }
        }
        Ok(Answer::No)
    };
    if interesting(sample)? == Answer::Yes {
        shrink::shrink(sample, most, &mut interesting)?;
    }
    // The last that was interesting is the smallest.
    Ok(last.map(|(find, sample, _)| (find, sample)))
}

fn lines(sample: &Sample) -> usize {
    sample.source.lines().count()
}

/// Compiles a sample.
///
/// # Errors
///
/// Why it is no program.
pub fn prepare(
    name: &str,
    sample: &Sample,
    contain: Option<contain::Tally>,
) -> Result<Generated, String> {
    let input = |bytes: &Bytes| Input { ctx: bytes.context.clone(), packet: bytes.packet.clone() };
    let inputs: Vec<Input> = sample.inputs.iter().map(input).collect();
    Generated::new(name, &sample.source, sample.flags, &inputs, contain)
}

/// What came of one program.
#[derive(Debug, Default)]
pub struct Replayed {
    /// What the kernel made of it, mode by mode.
    pub seen: Vec<(Mode, Seen)>,
    /// The records of the modes.
    pub records: Vec<Record>,
}

/// Runs one sample in every mode; what is wrong with it.
///
/// # Errors
///
/// When no guest can be started, or the user stops it.
pub fn replay(
    name: &str,
    sample: &Sample,
    contain: Option<contain::Tally>,
    guests: &mut Guests<'_>,
) -> Result<Replayed> {
    let test = prepare(name, sample, contain).map_err(|error| {
        harness_host::exit::Stop::Usage(format!("{name} is no program: {error}"))
    })?;
    let program = Program { number: 0, origin: Origin::File, sample: sample.clone() };
    let mut ran = vec![Ran { program, test, records: Vec::new() }];
    execute(&mut ran, guests)?;
    let all = ran.into_iter().next();
    let replayed = |ran: Ran| Replayed { seen: ran.test.seen(), records: ran.records };
    Ok(all.map(replayed).unwrap_or_default())
}

/// A round of programs, timed.
#[derive(Debug)]
pub struct Timed {
    /// From the sources to the verdicts.
    pub took: Duration,
    /// For each program that is accepted in every mode, the steps that load and run it.
    pub accepted: Vec<Option<Vec<Step>>>,
}

/// Runs some programs as a round does.
///
/// # Errors
///
/// When no guest can be started, or the user stops it.
pub fn timed(
    programs: &[Program],
    contain: Option<contain::Tally>,
    guests: &mut Guests<'_>,
) -> Result<Timed> {
    let started = Instant::now();
    let mut ran = Vec::new();
    for (at, program) in programs.iter().enumerate() {
        let name = format!("fuzz/{at}");
        if let Ok(test) = prepare(&name, &program.sample, contain.clone()) {
            ran.push((at, Ran { program: program.clone(), test, records: Vec::new() }));
        }
    }
    let (places, mut ran): (Vec<usize>, Vec<Ran>) = ran.into_iter().unzip();
    execute(&mut ran, guests)?;
    let took = started.elapsed();
    let mut accepted = vec![None; programs.len()];
    for (at, Ran { test, .. }) in places.into_iter().zip(&ran) {
        let seen = test.seen();
        let everywhere = seen.len() == Mode::ALL.len()
            && seen.iter().all(|(_, seen)| matches!(seen, Seen::Accepted { .. }));
        if let Some(place) = accepted.get_mut(at) {
            *place = everywhere.then(|| test.steps());
        }
    }
    Ok(Timed { took, accepted })
}

/// Runs programs in the first mode, and those that are accepted in the others.
fn execute(ran: &mut [Ran], guests: &mut Guests<'_>) -> Result<()> {
    let mut all: Vec<&mut Ran> = ran.iter_mut().collect();
    in_modes(&mut all, vec![FIRST], guests)?;
    all.retain(|ran| matches!(ran.test.first(), Some(Seen::Accepted { .. })));
    in_modes(&mut all, others(), guests)
}

fn in_modes(ran: &mut [&mut Ran], modes: Vec<Mode>, guests: &mut Guests<'_>) -> Result<()> {
    let tests: Vec<&dyn Test> = ran.iter().map(|ran| &ran.test as &dyn Test).collect();
    let each = modes.len();
    let rules = session::Rules { modes, fail_fast: false };
    let part = Part { name: "programs", total: None };
    let mut stream = Stream::new(Vec::new());
    let records = session::run(part, &tests, &rules, guests.first, guests.workers, &mut stream)?;
    for (ran, records) in ran.iter_mut().zip(records.chunks(each)) {
        ran.records.extend_from_slice(records);
    }
    Ok(())
}

/// What begins the cause of a find that two variants show.
const VARIANTS: &str = "variants: ";

/// What two variants of a program show.
#[derive(Debug)]
enum Compared {
    Same,
    Excused,
    Different(Box<Find>),
}

fn compare(one: &Ran, other: &Ran) -> Compared {
    let (Some(first), Some(second)) = (one.test.first(), other.test.first()) else {
        return Compared::Same;
    };
    // That is a find of its own already.
    let accused =
        |seen: &Seen| matches!(seen, Seen::Rejected { reason, .. } if own_fault(reason).is_some());
    if accused(&first) || accused(&second) {
        return Compared::Same;
    }
    let what = match (&first, &second) {
        (Seen::Accepted { verified: a }, Seen::Accepted { verified: b }) => {
            let (times, least) = RATIO;
            let (less, more) = (*a.min(b), *a.max(b));
            if more <= least || more <= times * less {
                return Compared::Same;
            }
            format!("the verifier goes through {a} instructions of one and {b} of the other")
        }
        (Seen::Accepted { .. }, Seen::Rejected { reason, .. }) => {
            if is_excused(reason) {
                return Compared::Excused;
            }
            format!("accepted as generated, rejected in the other: {reason}")
        }
        (Seen::Rejected { reason, .. }, Seen::Accepted { .. }) => {
            if is_excused(reason) {
                return Compared::Excused;
            }
            format!("rejected as generated, accepted in the other: {reason}")
        }
        _ => return Compared::Same,
    };
    let style = other.program.origin.name();
    let source = &one.program.sample.source;
    Compared::Different(Box::new(Find {
        cause: format!("{VARIANTS}{}", kind_of(&format!("{what} {style}"))),
        mode: FIRST.name(),
        problems: vec![format!("{what} ({style})"), format!("the other:\n{source}")],
        log: String::new(),
        console: Vec::new(),
        deadly: false,
    }))
}

fn is_excused(reason: &str) -> bool {
    EXCUSES.iter().any(|piece| reason.contains(piece))
}
