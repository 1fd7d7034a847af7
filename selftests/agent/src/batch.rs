//! Executes the steps of a batch in order, up to the first that fails.

mod load;
mod slots;

use bpf_wire::{Batch, BatchReport, Failure, MapCreate, Mode, Output, Step};
use std::os::fd::AsRawFd;

use crate::channel::Sender;
use crate::fault;
use crate::kernel::Kernel;
use crate::kernel::bpf::{self, CallError, RunArgs};
use crate::kernel::buffer::Event;
use crate::kernel::caps::Dropped;
use crate::kernel::describe::{self, Description};
use crate::kernel::map::{Map, MapSpec};
use crate::kernel::mounts;
use slots::Objects;

/// Buffer size for the log of a rejected BTF object: at most one line per type.
const BTF_LOG_SIZE: usize = 64 << 10;

/// Why a step has no output.
#[derive(Debug, PartialEq, Eq)]
enum StepError {
    /// The kernel refused, which may be what the host expects.
    Refused(Failure),
    /// The step could not be executed at all.
    Trouble(String),
}

impl From<CallError> for StepError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Kernel(errno) => Self::Refused(Failure { errno, log: String::new() }),
            CallError::Misuse(message) => Self::Trouble(message),
        }
    }
}

impl From<String> for StepError {
    fn from(message: String) -> Self {
        Self::Trouble(message)
    }
}

/// Executes a batch. Everything it created is closed on return, also after an error.
///
/// The error says which step was invalid, or what the agent could not set up.
pub(crate) fn execute(
    kernel: &mut Kernel,
    sender: &Sender,
    batch: Batch,
) -> Result<BatchReport, String> {
    execute_then(kernel, sender, batch, |_| ())
}

/// Executes a batch like [`execute`]; calls `look` with the results while everything that the steps
/// created still exists.
pub(crate) fn execute_then(
    kernel: &mut Kernel,
    sender: &Sender,
    batch: Batch,
    look: impl FnOnce(&[Result<Output, Failure>]),
) -> Result<BatchReport, String> {
    let Batch { name, mode, steps } = batch;
    kernel.mark(&name, mode)?;
    kernel.set_mode(mode)?;
    let mut objects = Objects::default();
    let done = run(steps, |step| perform(kernel, sender, &mut objects, step))
        .map_err(|(index, message)| format!("batch {name}, step {index}: {message}"));
    if let Ok(steps) = &done {
        look(steps);
    }
    drop(objects);
    kernel.let_print()?;
    let (jit_enable, jit_harden) = kernel.read_mode()?;
    Ok(BatchReport { steps: done?, jit_enable, jit_harden })
}

/// Executes the steps of batches in a loop.
///
/// The error says which step failed.
pub(crate) fn repeat_bare(
    kernel: &mut Kernel,
    sender: &Sender,
    mode: Mode,
    batches: Vec<Vec<Step>>,
) -> Result<(), String> {
    kernel.set_mode(mode)?;
    for (number, steps) in batches.into_iter().enumerate() {
        let mut objects = Objects::default();
        for (index, step) in steps.into_iter().enumerate() {
            let done = match step {
                Step::LoadProgram(load) => load::load_bare(kernel, &mut objects, *load),
                step => perform(kernel, sender, &mut objects, step).map(drop),
            };
            done.map_err(|error| format!("batch {number}, step {index}: {error:?}"))?;
        }
    }
    Ok(())
}

/// Executes steps until the kernel refuses one. The error is the index and message of a step that
/// could not be executed.
fn run<S>(
    steps: impl IntoIterator<Item = S>,
    mut perform: impl FnMut(S) -> Result<Output, StepError>,
) -> Result<Vec<Result<Output, Failure>>, (usize, String)> {
    let mut outcomes = Vec::new();
    for (index, step) in steps.into_iter().enumerate() {
        match perform(step) {
            Ok(output) => outcomes.push(Ok(output)),
            Err(StepError::Refused(failure)) => {
                outcomes.push(Err(failure));
                break;
            }
            Err(StepError::Trouble(message)) => return Err((index, message)),
        }
    }
    Ok(outcomes)
}

fn perform(
    kernel: &mut Kernel,
    sender: &Sender,
    objects: &mut Objects,
    step: Step,
) -> Result<Output, StepError> {
    match step {
        Step::LoadBtf { data } => {
            let btf = load_btf(&data)?;
            objects.btfs.add(btf);
        }
        Step::CreateMap(map) => {
            let map = create_map(objects, *map)?;
            objects.maps.add(map);
        }
        Step::UpdateElem { map, key, value, flags } => {
            objects.maps.get(map)?.update(&key, &value, flags)?;
        }
        Step::DeleteElem { map, key } => objects.maps.get(map)?.delete(&key)?,
        Step::UpdateProgArray { map, key, prog } => {
            let value = objects.programs.get(prog)?.number().to_ne_bytes();
            objects.maps.get(map)?.update(&key.to_ne_bytes(), &value, 0)?;
        }
        Step::UpdateMapOfMaps { map, key, held } => {
            let value = objects.maps.get(held)?.as_raw_fd().to_ne_bytes();
            objects.maps.get(map)?.update(&key.to_ne_bytes(), &value, 0)?;
        }
        Step::OpenEvents { map } => {
            let events = objects.maps.get(map)?.open_events()?;
            objects.events.insert(map, events);
        }
        Step::Drain { map } => {
            let records = match objects.events.get(&map) {
                Some(events) => events.iter().flat_map(Event::drain).collect(),
                None => objects.maps.get(map)?.drain()?,
            };
            return Ok(Output::Records(records));
        }
        Step::Freeze { map } => objects.maps.get(map)?.freeze()?,
        Step::LoadProgram(load) => return load::load(kernel, objects, *load),
        Step::CloseProgram { prog } => drop(objects.programs.take(prog)?),
        Step::DescribeProgram { prog } => {
            let description = describe::program(&objects.programs.get(prog)?.fd)?;
            let Description { lines, maps } = description;
            return Ok(Output::Described { lines, maps });
        }
        Step::TestRun { prog, data, ctx, data_out, ctx_out } => {
            let program = objects.programs.get(prog)?;
            let args = RunArgs { data, ctx, data_out, ctx_out };
            let run = bpf::test_run(&program.fd, program.prog_type, args)?;
            return Ok(Output::Ran { retval: run.retval, data: run.data, ctx: run.ctx });
        }
        Step::DumpMap { map } => return dump(objects.maps.get(map)?),
        Step::LookupElem { map, key } => {
            let value = objects.maps.get(map)?.lookup(&key)?;
            return Ok(Output::Elements(vec![(key, value)]));
        }
        Step::LookupBatch { map } => {
            return Ok(Output::Elements(objects.maps.get(map)?.lookup_batch()?));
        }
        Step::ReadMapped { map } => {
            return Ok(Output::Bytes(objects.maps.get(map)?.mapped()?));
        }
        Step::Attempt(step) => {
            return match perform(kernel, sender, objects, *step) {
                Ok(_) => Ok(Output::Attempted(None)),
                Err(StepError::Refused(failure)) => Ok(Output::Attempted(Some(failure))),
                Err(trouble) => Err(trouble),
            };
        }
        Step::Without(caps, step) => {
            let dropped = Dropped::new(&caps)?;
            // The agent's own kernel accesses must not happen without privileges.
            mounts::sys()?;
            if dropped.leaves_unprivileged() {
                kernel.allow_unprivileged()?;
            }
            return dropped.during(|| perform(kernel, sender, objects, *step))?;
        }
        Step::Fault(fault) => fault::commit(&fault, sender)?,
    }
    Ok(Output::Done)
}

fn create_map(objects: &Objects, map: MapCreate) -> Result<Map, StepError> {
    let btf = match map.btf {
        Some(btf) => Some((objects.btfs.get(btf.btf)?.as_raw_fd(), btf.key, btf.value)),
        None => None,
    };
    // Only needed while the map of maps is created.
    let inner = match map.inner {
        Some(inner) => Some(create_map(objects, *inner)?),
        None => None,
    };
    let MapCreate { name, map_type, key_size, value_size, max_entries, flags, .. } = map;
    let MapCreate { extra, numa_node, .. } = map;
    let spec = MapSpec {
        name,
        map_type,
        key_size,
        value_size,
        max_entries,
        flags,
        extra,
        numa_node,
        inner: inner.as_ref().map(AsRawFd::as_raw_fd),
        btf,
    };
    Ok(Map::create(spec)?)
}

/// Loads BTF; requests the log only if the kernel rejects it.
fn load_btf(data: &[u8]) -> Result<std::os::fd::OwnedFd, StepError> {
    let errno = match bpf::load_btf(data, &mut []) {
        Ok(btf) => return Ok(btf),
        Err(CallError::Kernel(errno)) => errno,
        Err(error) => return Err(error.into()),
    };
    let mut log = vec![0; BTF_LOG_SIZE];
    // The log has the reason whether or not the second attempt fails the same way.
    drop(bpf::load_btf(data, &mut log));
    Err(StepError::Refused(Failure { errno, log: load::text(&log) }))
}

fn dump(map: &Map) -> Result<Output, StepError> {
    let mut elements = Vec::new();
    let mut last: Option<Vec<u8>> = None;
    // No program changes the map meanwhile, but a cycle in the key order must not loop forever.
    for _ in 0..=map.max_entries() {
        let key = match map.next_key(last.as_deref()) {
            Ok(key) => key,
            Err(CallError::Kernel(libc::ENOENT)) => return Ok(Output::Elements(elements)),
            Err(error) => return Err(error.into()),
        };
        match map.lookup(&key) {
            Ok(value) => elements.push((key.clone(), value)),
            // A prog array has keys without values.
            Err(CallError::Kernel(libc::ENOENT)) => {}
            Err(error) => return Err(error.into()),
        }
        last = Some(key);
    }
    Err(StepError::Trouble(format!(
        "the map of {} entries gives more keys than that",
        map.max_entries()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(errno: i32) -> StepError {
        StepError::Refused(Failure { errno, log: String::new() })
    }

    #[test]
    fn the_first_refusal_ends_the_batch_and_is_reported() {
        let mut performed = Vec::new();
        let outcomes = run(0..4, |step| {
            performed.push(step);
            if step == 2 { Err(refused(22)) } else { Ok(Output::Done) }
        });
        assert_eq!(performed, [0, 1, 2]);
        let failure = Failure { errno: 22, log: String::new() };
        assert_eq!(outcomes, Ok(vec![Ok(Output::Done), Ok(Output::Done), Err(failure)]));
    }

    #[test]
    fn trouble_names_its_step() {
        let outcomes = run(0..3, |step| {
            if step == 1 { Err("no such map".to_owned().into()) } else { Ok(Output::Done) }
        });
        assert_eq!(outcomes, Err((1, "no such map".to_owned())));
    }

    #[test]
    fn what_the_kernel_says_is_no_trouble() {
        assert_eq!(StepError::from(CallError::Kernel(libc::EBUSY)), refused(16));
        let misuse = CallError::Misuse("key of 3 bytes".to_owned());
        assert_eq!(StepError::from(misuse), StepError::Trouble("key of 3 bytes".to_owned()));
    }
}
