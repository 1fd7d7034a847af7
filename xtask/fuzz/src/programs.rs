//! Where programs come from. All that a number in a campaign stands for depends on the seed and on the
//! cases.

use bpf_case::{Case, Expect, Feature, Source};
use bpf_generate::sample::{flags, inputs};
use bpf_generate::{Bytes, Calls, Features, Kind, Sample, Style, Tree, change, generate};
use fastrand::Rng;

/// Inputs of each program.
const INPUTS: usize = 6;

/// Bytes of a case's program that is changed; longer ones would take all the time.
const LONGEST: usize = 4096;

/// How a program came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Generated to be accepted.
    Generated,
    /// The one before it, rendered in another way.
    Variant(Style),
    /// One that was generated, edited.
    Changed,
    /// That of a case, edited.
    ChangedCase,
    /// Read from a file.
    File,
}

impl Origin {
    /// In words.
    pub fn name(self) -> String {
        match self {
            Self::Generated => "generated".to_owned(),
            Self::Variant(style) => format!("generated, {}", style.name()),
            Self::Changed => "generated and edited".to_owned(),
            Self::ChangedCase => "a case's program, edited".to_owned(),
            Self::File => "a file's".to_owned(),
        }
    }

    /// Whether it is meant to be accepted.
    pub fn is_meant(self) -> bool {
        matches!(self, Self::Generated | Self::Variant(_))
    }
}

/// A program of a campaign.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its number in the campaign: variants have that of the first.
    pub number: u64,
    /// How it came about.
    pub origin: Origin,
    /// The program and its inputs.
    pub sample: Sample,
}

/// The programs of a campaign by number.
#[derive(Debug)]
pub struct Programs {
    seed: u64,
    features: Features,
    /// Sources of cases, with their inputs.
    cases: Vec<Sample>,
    /// The only program there is.
    only: Option<Sample>,
}

impl Programs {
    /// Those of a seed, for a kernel with these features. The cases whose programs can be edited are
    /// taken.
    pub fn new(seed: u64, cases: &[Case], features: Features) -> Self {
        let has = |feature: &Feature| match feature {
            Feature::Callx => features.callx,
            Feature::Gotox | Feature::SpilledTarget => features.gotox,
        };
        let fits = |case: &&Case| case.needs.iter().all(has);
        let cases = cases.iter().filter(fits).filter_map(sample_of).collect();
        Self { seed, features, cases, only: None }
    }

    /// This program alone, as number 0.
    pub fn only(sample: Sample) -> Self {
        Self { seed: 0, features: Features::ALL, cases: Vec::new(), only: Some(sample) }
    }

    /// Whether there are programs from this number on.
    pub fn has(&self, number: u64) -> bool {
        self.only.is_none() || number == 0
    }

    /// The program with a number, and variants of it.
    pub fn take(&self, number: u64) -> Vec<Program> {
        let mut rng = Rng::with_seed(mixed(self.seed, number));
        let program = |origin, sample| Program { number, origin, sample };
        if let Some(sample) = &self.only {
            let only = program(Origin::File, sample.clone());
            return if number == 0 { vec![only] } else { Vec::new() };
        }
        match rng.u8(..16) {
            0..9 => {
                let tree = generate(&mut rng, self.features);
                let sample = render(&tree, Style::default(), &mut rng);
                let mut all = vec![program(Origin::Generated, sample.clone())];
                let style = style(&mut rng, self.features);
                if rng.u8(..3) == 0 && tree.differs_in(style) {
                    let source = tree.render(style);
                    all.push(program(Origin::Variant(style), Sample { source, ..sample }));
                }
                all
            }
            9..13 => {
                let sample = render(&generate(&mut rng, self.features), Style::default(), &mut rng);
                let other = generate(&mut rng, self.features).render(Style::default());
                let source = change::change(&sample.source, &other, &mut rng);
                vec![program(Origin::Changed, Sample { source, ..sample })]
            }
            _ => {
                let Some(sample) = pick(&self.cases, &mut rng) else { return Vec::new() };
                let other = pick(&self.cases, &mut rng).map_or("", |other| &other.source);
                let source = change::change(&sample.source, other, &mut rng);
                vec![program(Origin::ChangedCase, Sample { source, ..sample.clone() })]
            }
        }
    }
}

fn pick<'a, T>(all: &'a [T], rng: &mut Rng) -> Option<&'a T> {
    all.get(rng.usize(..all.len().max(1)))
}

fn render(tree: &Tree, style: Style, rng: &mut Rng) -> Sample {
    let inputs = inputs(tree.kind, INPUTS, rng);
    Sample { source: tree.render(style), inputs, flags: flags(rng) }
}

fn style(rng: &mut Rng, features: Features) -> Style {
    let mut style = Style::default();
    match rng.u8(..6) {
        0 => style.calls = Calls::Direct,
        1 | 2 if features.callx => style.calls = Calls::Indirect,
        3 => style.comparisons = true,
        4 => style.reversed = true,
        _ => style.padding = Some(rng.u64(..)),
    }
    style
}

/// The program of a case that is loaded as it is, with its inputs, or with some.
fn sample_of(case: &Case) -> Option<Sample> {
    let Source::Assembly(source) = &case.source else { return None };
    let plain = case.adjust.is_none() && case.load.without_caps.is_empty();
    if !plain || source.len() > LONGEST {
        return None;
    }
    let mut stated: Vec<Bytes> = match &case.expect {
        Expect::Accepted(runs) => runs
            .iter()
            .take(INPUTS)
            .map(|run| Bytes { context: run.ctx.clone(), packet: run.packet.clone() })
            .collect(),
        Expect::Rejected(_) => Vec::new(),
    };
    if stated.is_empty() {
        let first = source.lines().find_map(|line| line.trim().strip_prefix(".prog "));
        let kind = match first.and_then(|rest| rest.split_whitespace().nth(1)) {
            None | Some("syscall") => Kind::Syscall,
            Some("xdp") => Kind::Xdp,
            Some(_) => Kind::Packet,
        };
        stated = inputs(kind, INPUTS, &mut Rng::with_seed(source.len() as u64));
    }
    Some(Sample { source: source.clone(), inputs: stated, flags: case.load.flags })
}

/// SplitMix64: neighbours have nothing in common.
fn mixed(seed: u64, number: u64) -> u64 {
    let mut word = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

#[cfg(test)]
mod tests {
    use bpf_case::builder::accepts;

    use super::*;

    #[test]
    fn a_number_is_a_program_and_each_origin_comes_up() {
        let case = accepts("t/t", "seven", "r0 = 7\nr1 += 3\nexit").runs(&[(0, 7)]).into();
        let programs = Programs::new(3, &[case], Features::ALL);
        let all: Vec<Program> = (0..200).flat_map(|number| programs.take(number)).collect();
        let count = |is: fn(Origin) -> bool| all.iter().filter(|it| is(it.origin)).count();
        assert!(count(|origin| origin == Origin::Generated) > 80);
        assert!(count(|origin| matches!(origin, Origin::Variant(_))) > 10);
        assert!(count(|origin| origin == Origin::Changed) > 20);
        assert!(count(|origin| origin == Origin::ChangedCase) > 10);
        let again: Vec<Program> = (0..200).flat_map(|number| programs.take(number)).collect();
        assert!(all.iter().zip(&again).all(|(a, b)| a.sample == b.sample));
    }
}
