//! The tests of one object.

use bpf_object::{Linked, Linking, LoadPlan, MapRef};
use bpf_wire::{Mode, Response};

use super::spec::Spec;
use super::subtest::{Subtest, Tests};
use super::suite::{Reference, general};
use super::tags;
use crate::object::ARENA;
use harness_results::event::Sort;
use harness_results::record::Record;
use harness_session::test::{Found, Judge, Plan, Test, Unmet};

/// Factor on the deadline of a test: some make the verifier process a million instructions, twice where
/// it refuses; a minute is not enough for that where instructions are emulated.
const PATIENCE: u32 = 5;

/// `struct test_val` of the tests with its index after the seventh of its numbers, as
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

impl Annotated {
    /// Reads an object.
    ///
    /// # Errors
    ///
    /// Why it cannot be linked or its BTF not be read.
    pub fn read(name: &str, bytes: &[u8], without_sys_admin: bool) -> Result<Self, String> {
        let linked = bpf_object::link_each(bytes, Linking::default());
        let Linked { plan, refused, .. } = linked.map_err(|error| error.to_string())?;
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

    fn tests(&self) -> Tests<'_> {
        let filled = FILLED.iter().find(|(object, _)| *object == self.name);
        Tests {
            plan: &self.plan,
            specs: &self.specs,
            without_sys_admin: self.without_sys_admin,
            before_run: filled.map(|(_, map)| ((*map).to_owned(), test_val())),
        }
    }

    /// The tests of the programs whose full names are wanted, first those that cannot be linked. Names
    /// begin with `prefix`.
    pub fn wanted<'a>(
        &self,
        prefix: &str,
        wanted: &dyn Fn(&str) -> bool,
        reference: &'a Reference,
    ) -> Vec<AnnotatedTest<'a>> {
        let full = |test: &str| format!("{prefix}{}/{test}", self.name);
        let mut found = Vec::new();
        let test = |name, what| AnnotatedTest { name, what, reference };
        for (program, reason) in self.refused.iter().filter(|(it, _)| wanted(&full(it))) {
            found.push(test(full(program), What::Lacks(general(reason).to_owned())));
        }
        let of_maps = self.plan.maps.iter().any(|map| map.inner.is_some());
        for (index, (program, spec)) in self.plan.programs.iter().zip(&self.specs).enumerate() {
            let name = full(&program.name);
            if !wanted(&name) {
                continue;
            }
            let arena = |reference: &MapRef| {
                self.plan.maps.get(reference.map).is_some_and(|map| map.map_type == ARENA)
            };
            let reason = match program.map_refs.iter().any(arena) {
                true => Some("it uses an arena, which wants kernel functions"),
                // Nothing is recorded of them on the base.
                false => of_maps.then_some("its object has maps in maps"),
            };
            if let Some(reason) = reason {
                found.push(test(name, What::Lacks(reason.to_owned())));
                continue;
            }
            match spec {
                Ok(Spec { beyond: Some(tag), .. }) => {
                    let reason = format!("its tag {tag} is not supported here");
                    found.push(test(name, What::Lacks(reason)));
                }
                Err(error) => found.push(test(name, What::Broken(error.clone()))),
                Ok(_) => found.extend(
                    self.tests()
                        .of(index)
                        .into_iter()
                        .map(|subtest| test(full(&subtest.name), What::Runs(Box::new(subtest)))),
                ),
            }
        }
        found
    }

    /// Names of the programs.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let linked = self.plan.programs.iter().map(|program| program.name.as_str());
        linked.chain(self.refused.iter().map(|(program, _)| program.as_str()))
    }
}

/// One way to load one program, as a test.
#[derive(Clone, Debug)]
pub struct AnnotatedTest<'a> {
    name: String,
    what: What,
    /// What the results are compared with.
    reference: &'a Reference,
}

#[derive(Clone, Debug)]
enum What {
    /// It can be run.
    Runs(Box<Subtest>),
    /// It cannot, for this reason.
    Lacks(String),
    /// What is said of it cannot be read.
    Broken(String),
}

impl<'a> AnnotatedTest<'a> {
    /// One that is left out.
    pub fn left_out(name: String, reason: &str, reference: &'a Reference) -> Self {
        Self { name, what: What::Lacks(general(reason).to_owned()), reference }
    }

    /// Why it is left out, if so.
    pub fn lacks(&self) -> Option<&str> {
        match &self.what {
            What::Lacks(reason) => Some(reason),
            _ => None,
        }
    }
}

impl Test for AnnotatedTest<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_for(&self, mode: Mode) -> bool {
        // What is for another setting of the JIT is not a test in this mode.
        !matches!(&self.what, What::Runs(test) if test.skipped(mode).is_some())
    }

    fn unmet(&self, _: Mode) -> Option<Unmet> {
        self.lacks().map(|reason| Unmet { reason: reason.to_owned(), declared: false })
    }

    fn plan(&self, mode: Mode) -> Result<Plan, String> {
        match &self.what {
            What::Runs(test) => {
                Ok(Plan { patience: PATIENCE, ..Plan::batch(&self.name, mode, test.lower()) })
            }
            What::Lacks(reason) | What::Broken(reason) => Err(reason.clone()),
        }
    }

    fn judge(&self) -> Box<dyn Judge + '_> {
        Box::new(AnnotatedJudge(self))
    }
}

struct AnnotatedJudge<'a>(&'a AnnotatedTest<'a>);

impl Judge for AnnotatedJudge<'_> {
    fn judge(&mut self, mode: Mode, plan: &Plan, seen: &[Response], found: &mut Found<'_>) {
        let ([Response::Batch(report)], What::Runs(test)) = (seen, &self.0.what) else { return };
        let problems = test.judge(mode, &plan.roles, report);
        problems.into_iter().for_each(|problem| problem.tell(found));
        found.record.notes.extend(test.beyond().map(|what| format!("not looked at: {what}")));
    }

    fn end(self: Box<Self>, records: &mut Vec<Record>) -> Sort {
        records.iter_mut().for_each(|record| self.0.reference.compare(record));
        Sort::Annotated
    }
}
