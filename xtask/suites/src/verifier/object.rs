//! The tests of one object, run one after the other.

use std::time::Instant;

use anyhow::Result;
use bpf_object::{BtfUse, LoadPlan};
use bpf_wire::Mode;

use super::spec::Spec;
use super::subtest::{Subtest, Tests};
use super::tags;
use crate::session::{Answer, Executor};
use harness_host::exit::Stop;
use harness_results::record::{Record, Verdict};

/// `struct test_val` of the tests with its index behind the seventh of its numbers, as
/// `init_test_val_map()` of `prog_tests/verifier.c` writes it; 48 bytes.
fn test_val() -> Vec<u8> {
    let mut words = [0u32; 12];
    words[0] = 7 * 4;
    words[7] = 0xabcd_ef12;
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The maps that are written before the tests of some objects are run, by the object's name.
const FILLED: [(&str, &str); 2] =
    [("verifier_array_access", "map_array_ro"), ("verifier_value_ptr_arith", "map_array_48b")];

/// An object and what is said of its programs.
#[derive(Clone, Debug)]
pub struct Annotated {
    /// Its file's name, without folder and extension.
    pub name: String,
    plan: LoadPlan,
    /// Programs that cannot be linked, and why.
    refused: Vec<(String, String)>,
    /// For each program of the plan.
    specs: Vec<Result<Spec, String>>,
    without_sys_admin: bool,
}

/// How one test is to run.
#[derive(Clone, Debug)]
pub struct Rules<'a> {
    /// What stands before the object's name in the names of records.
    pub prefix: &'a str,
    /// The modes.
    pub modes: &'a [Mode],
}

impl Annotated {
    /// Reads an object.
    ///
    /// # Errors
    ///
    /// Why it cannot be linked or its BTF not be read.
    pub fn read(name: &str, bytes: &[u8], without_sys_admin: bool) -> Result<Self, String> {
        let linked = bpf_object::link_each(bytes, BtfUse::Auto);
        let (plan, refused) = linked.map_err(|error| error.to_string())?;
        let object = bpf_object::read(bytes).map_err(|error| error.to_string())?;
        let tags = tags::tags(&object)?;
        let spec = |name: &str, prog_type: u32| {
            let tags = tags.get(name).ok_or("its BTF has no function of this name")?;
            Spec::parse(tags, prog_type)
        };
        let specs =
            plan.programs.iter().map(|program| spec(&program.name, program.prog_type)).collect();
        let refused =
            refused.into_iter().map(|(program, error)| (program, error.to_string())).collect();
        Ok(Self { name: name.to_owned(), plan, refused, specs, without_sys_admin })
    }

    /// How many programs it has.
    pub fn programs(&self) -> usize {
        self.plan.programs.len()
    }

    /// Name of a program of the object.
    pub fn program(&self, index: usize) -> Option<&str> {
        self.plan.programs.get(index).map(|program| program.name.as_str())
    }

    /// The programs that cannot be linked, and why.
    pub fn refused(&self) -> &[(String, String)] {
        &self.refused
    }

    fn tests(&self) -> Tests<'_> {
        let filled = FILLED.iter().find(|(object, _)| *object == self.name);
        Tests {
            plan: &self.plan,
            specs: &self.specs,
            without_sys_admin: self.without_sys_admin,
            before_run: filled.map(|(_, map)| ((*map).to_owned(), test_val())),
        }
    }

    /// Runs the tests of one program, each in every mode; one record for each.
    ///
    /// # Errors
    ///
    /// When the guest cannot be started or the session was interrupted.
    pub fn run(
        &self,
        program: usize,
        rules: &Rules<'_>,
        executor: &mut dyn Executor,
    ) -> Result<Vec<Record>> {
        let name = |test: &str| format!("{}{}/{test}", rules.prefix, self.name);
        let mut records = Vec::new();
        match self.specs.get(program) {
            Some(Ok(Spec { beyond: Some(tag), .. })) => {
                let test = name(self.program(program).unwrap_or_default());
                for mode in rules.modes {
                    let mut record = Record::new(&test, *mode);
                    record.verdict = Verdict::Skipped;
                    record.problems.push(format!("its tag {tag} is not supported here"));
                    records.push(record);
                }
                return Ok(records);
            }
            Some(Err(error)) => {
                let test = name(self.program(program).unwrap_or_default());
                for mode in rules.modes {
                    let mut record = Record::new(&test, *mode);
                    record.verdict = Verdict::Broken;
                    record.problems.push(error.clone());
                    records.push(record);
                }
                return Ok(records);
            }
            _ => {}
        }
        for test in self.tests().of(program) {
            for mode in rules.modes {
                // What is for another setting of the JIT is no test in this mode.
                if test.skipped(*mode).is_none() {
                    records.push(run_one(&test, &name(&test.name), *mode, executor)?);
                }
            }
        }
        Ok(records)
    }
}

fn run_one(test: &Subtest, name: &str, mode: Mode, executor: &mut dyn Executor) -> Result<Record> {
    let mut record = Record::new(name, mode);
    let lowered = test.lower();
    let start = Instant::now();
    let answer = match executor.execute(name, mode, lowered.steps.clone()) {
        Ok(answer) => answer,
        // What the agent cannot do for one test says nothing about the others.
        Err(error) if error.chain().all(|cause| cause.downcast_ref::<Stop>().is_none()) => {
            record.verdict = Verdict::Broken;
            record.problems.push(format!("{error:#}"));
            return Ok(record);
        }
        Err(error) => return Err(error),
    };
    record.millis = start.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
    match answer {
        Answer::Dead(failure) => {
            failure.judge(&mut record);
        }
        Answer::Report { report, splats } => {
            for problem in test.judge(mode, &lowered, &report) {
                record.problems.push(problem.text);
                if record.log.is_empty() {
                    record.log = problem.log;
                }
            }
            record.problems.extend(splats.into_iter().map(|title| format!("splat: {title}")));
            if !record.problems.is_empty() {
                record.verdict = Verdict::Failed;
            }
            record.notes.extend(test.beyond().map(|what| format!("not looked at: {what}")));
        }
    }
    Ok(record)
}
