//! The executor that is a real guest: started when needed, restarted after it died.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bpf_wire::{GuestInfo, Mode, Request, Response, Step, marker};

use crate::executor::{Answer, Executor, Work};
use crate::resources::{SETTLING, settled};
use harness_host::exit::Stop;
use harness_kernel::boot::BootOptions;
use harness_kernel::source::space;
use harness_results::facts::{GuestFacts, Resources};
use harness_vm::{FailureKind, GuestFailure, Machine, MachineConfig, Splat};

/// Lines of the console that belong to a case which failed.
const CONSOLE_LINES: usize = 200;

/// Bytes that a disk has free if it is not full: a block of any file system.
const SOME_ROOM: u64 = 64 << 10;

/// Looks at a console for a marker, and the time between them.
const CONSOLE_LOOKS: u32 = 20;
const CONSOLE_PAUSE: Duration = Duration::from_millis(10);

/// Work without an answer.
#[derive(Debug)]
struct Waiting {
    work: Work,
    marker: String,
    /// How many of its requests the guest that there is now has.
    sent: usize,
}

/// Guests, one after the other.
#[derive(Debug)]
pub struct Guest {
    config: MachineConfig,
    /// Factor on the deadlines of requests.
    slowdown: u32,
    /// See [`BootOptions::keeps_mib`].
    keeps_mib: u32,
    machine: Option<Machine>,
    /// How many were started.
    started: usize,
    /// What they took and held, in the order of their starts.
    facts: Vec<GuestFacts>,
    /// The oldest first.
    waiting: VecDeque<Waiting>,
    /// Of the batch that was answered last: console of its guest, and what its marker says.
    answered: Option<(PathBuf, String)>,
    info: Option<GuestInfo>,
}

impl Guest {
    /// Nothing is started before the first batch. The console of the first guest goes to the file
    /// that the configuration names, those of later ones to the same name with a number.
    pub fn new(config: MachineConfig, boot: &BootOptions) -> Self {
        Self::with(config.booted(boot), boot.slowdown, boot.keeps_mib)
    }

    fn with(config: MachineConfig, slowdown: u32, keeps_mib: u32) -> Self {
        Self {
            config,
            slowdown,
            keeps_mib,
            machine: None,
            started: 0,
            facts: Vec::new(),
            waiting: VecDeque::new(),
            answered: None,
            info: None,
        }
    }

    /// Has every machine wait for gdb on a socket, and waits for it without any deadline.
    pub fn debug_over(&mut self, socket: PathBuf) {
        self.config = self.config.clone().debugged(socket);
    }

    /// A guest like this for another job, with a console of its own; not started yet.
    pub fn another(&self, job: usize) -> Self {
        let mut config = self.config.clone();
        config.console_log = config.console_log.with_extension(format!("job{job}.log"));
        Self::with(config, self.slowdown, self.keeps_mib)
    }

    /// Main memory in MiB.
    pub fn memory_mib(&self) -> u32 {
        self.config.memory_mib
    }

    /// Lets the kernel keep more memory than it usually does, in MiB: for what it does not give back.
    pub fn let_keep(&mut self, mib: u32) {
        self.keeps_mib = self.keeps_mib.saturating_add(mib);
    }

    /// Waits so many times as long for what comes next.
    pub fn wait_longer(&mut self, factor: u32) {
        self.slowdown = self.slowdown.saturating_mul(factor);
    }

    /// What the agent said of the kernel, once a guest was started.
    pub fn info(&self) -> Option<&GuestInfo> {
        self.info.as_ref()
    }

    /// What each guest that was started took, and what it held at its start and, once it was ended,
    /// at its end.
    pub fn facts(&self) -> &[GuestFacts] {
        &self.facts
    }

    /// Ends the guest, in order if it can.
    ///
    /// # Errors
    ///
    /// When a splat came at the end, the guest holds what it did not hold at its start, or it
    /// does not power off.
    pub fn end(&mut self) -> Result<()> {
        self.check_console()?;
        let Some(mut machine) = self.machine.take() else { return Ok(()) };
        let leak = match self.facts.last_mut() {
            // Who stops the guest where they like need not wait until it has settled.
            Some(facts) if self.config.gdb.is_none() => {
                let deadline = self.config.batch_deadline * self.slowdown;
                let mut count = || resources(&mut machine, deadline);
                let (end, leak) =
                    settled(&facts.start, self.keeps_mib, SETTLING * self.slowdown, &mut count)?;
                facts.end = Some(end);
                leak
            }
            _ => None,
        };
        let splats = machine.power_off().map_err(GuestFailure::into_error)?;
        if let Some(splat) = splats.first() {
            let title = &splat.title;
            return Err(Stop::CaseFailed(format!(
                "the guest's console shows a splat after the last case: {title}"
            ))
            .into());
        }
        leak.map_or(Ok(()), |leak| Err(leak.into_error()))
    }

    /// Makes sure that the console has the marker of the batch that was answered last: on a disk that
    /// is full it breaks off, and splats with it.
    fn check_console(&self) -> Result<()> {
        let Some((path, marker)) = &self.answered else { return Ok(()) };
        if self.lines_of_answered().is_some() {
            return Ok(());
        }
        let dir = path.parent().unwrap_or(Path::new("."));
        let broke_off = format!(
            "the console {} broke off before {marker}: splats may be missing",
            path.display()
        );
        match space::require(dir, SOME_ROOM) {
            Err(full) => Err(full.context(broke_off)),
            Ok(()) => bail!("{broke_off}"),
        }
    }

    /// What the console shows of the batch that was answered last, once it does.
    fn lines_of_answered(&self) -> Option<Vec<String>> {
        let (path, marker) = self.answered.as_ref()?;
        // A thread of the kernel writes it, which may be behind.
        for _ in 0..CONSOLE_LOOKS {
            if let Some(lines) = console_of(path, marker) {
                return Some(lines);
            }
            sleep(CONSOLE_PAUSE);
        }
        None
    }

    /// What the kernel says of its mitigations: the files of these names, as far as it has them.
    ///
    /// # Errors
    ///
    /// When the guest cannot be started or does not answer.
    pub fn vulnerabilities<'a>(
        &mut self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<BTreeMap<String, String>> {
        let mut said = BTreeMap::new();
        for name in names {
            let path = format!("/sys/devices/system/cpu/vulnerabilities/{name}");
            let request = Request::ReadFile { path: path.clone() };
            let deadline = self.config.batch_deadline * self.slowdown;
            match self.machine()?.request(&request, deadline) {
                Ok(Response::File(Ok(text))) => {
                    let text = String::from_utf8_lossy(&text).trim_end().to_owned();
                    said.insert(name.to_owned(), text);
                }
                Ok(Response::File(Err(_))) => {}
                Ok(other) => bail!("the agent answered a request for {path} with {other:?}"),
                Err(failure) => return Err(failure.into_error()),
            }
        }
        Ok(said)
    }

    /// Has the agent take the steps of batches in a loop; how long that took, from here.
    ///
    /// # Errors
    ///
    /// When the guest cannot be started or does not survive it, or a step fails.
    pub fn repeat_bare(&mut self, mode: Mode, batches: Vec<Vec<Step>>) -> Result<Duration> {
        let deadline = self.config.batch_deadline * self.slowdown;
        let request = Request::Loop { mode, batches };
        let machine = self.machine()?;
        let started = Instant::now();
        match machine.request(&request, deadline) {
            Ok(Response::Looped) => Ok(started.elapsed()),
            Ok(other) => bail!("the agent was to take steps in a loop, and answered {other:?}"),
            Err(failure) => Err(failure.into_error()),
        }
    }

    /// Sends what was not sent, as far as that works: what is wrong with one shows when those before it
    /// are answered.
    fn send(&mut self) -> Result<()> {
        self.machine()?;
        let (Some(machine), Some(facts)) = (&mut self.machine, self.facts.last_mut()) else {
            return Ok(());
        };
        for Waiting { work, sent, .. } in &mut self.waiting {
            for request in work.requests.iter().skip(*sent) {
                if machine.submit(request).is_err() {
                    return Ok(());
                }
                *sent += 1;
                facts.batches += 1;
            }
        }
        Ok(())
    }

    /// Waits for the answers to some work, sending first what could not be sent.
    fn finish(
        &mut self,
        Waiting { work, sent, .. }: &Waiting,
        logged: &mut dyn FnMut(&str),
    ) -> Result<Result<Vec<Response>, GuestFailure>> {
        let deadline = self.config.batch_deadline * self.slowdown * work.patience;
        let machine = self.machine()?;
        let answer = |(at, request)| match at < *sent {
            true => machine.answer(deadline, logged),
            // Whatever stood in the way, all before it is answered now.
            false => machine.request_logged(request, deadline, logged),
        };
        Ok(work.requests.iter().enumerate().map(answer).collect())
    }

    /// Gives the guest up: what it was sent and did not answer is for the next one.
    fn lose(&mut self) {
        self.machine = None;
        self.waiting.iter_mut().for_each(|waiting| waiting.sent = 0);
    }

    fn machine(&mut self) -> Result<&mut Machine> {
        if self.machine.is_none() {
            let mut config = self.config.clone();
            config.console_log = numbered(&config.console_log, self.started + 1);
            let mut machine = Machine::start(&config).map_err(|failure| failure.into_error())?;
            self.started += 1;
            let boot_ms = machine.boot_time().as_millis().try_into().unwrap_or(u64::MAX);
            let start = resources(&mut machine, self.config.batch_deadline * self.slowdown)?;
            self.facts.push(GuestFacts { boot_ms, batches: 0, start, end: None });
            self.info = Some(machine.guest().clone());
            self.machine = Some(machine);
        }
        match self.machine.as_mut() {
            Some(machine) => Ok(machine),
            None => bail!("the guest that was just started is gone"),
        }
    }
}

/// Whether a guest ended under a batch after the one whose answer was awaited.
fn ended_behind(failure: &GuestFailure, awaited: &Waiting, after: &VecDeque<Waiting>) -> bool {
    let is_of = |batch: &Waiting| failure.case.as_deref() == Some(batch.marker.as_str());
    !is_of(awaited) && after.iter().any(|batch| batch.sent > 0 && is_of(batch))
}

/// What a guest holds now.
fn resources(machine: &mut Machine, deadline: Duration) -> Result<Resources> {
    match machine.request(&Request::Resources, deadline) {
        Ok(Response::Resources(counted)) => Ok(counted.into()),
        Ok(other) => bail!("the agent was to count what the guest holds, and answered {other:?}"),
        Err(failure) => Err(failure.into_error()),
    }
}

/// The console of the guest with this number, from 1 on: `console.log`, `console.2.log`.
fn numbered(path: &Path, number: usize) -> PathBuf {
    match number {
        0 | 1 => path.to_owned(),
        number => path.with_extension(format!("{number}.log")),
    }
}

/// What a console shows of a case, its last lines: from its marker to the next one. Without a marker,
/// nothing.
fn console_of(path: &Path, marker: &str) -> Option<Vec<String>> {
    const MARKER: &str = "bpf-indirect: case ";
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let own = format!("{MARKER}{marker}");
    let from = lines.iter().rposition(|line| line.ends_with(&own))?;
    let next = lines.iter().skip(from + 1).position(|line| line.contains(MARKER));
    Some(last(&lines[from..next.map_or(lines.len(), |next| from + 1 + next)]))
}

fn last(lines: &[&str]) -> Vec<String> {
    lines[lines.len().saturating_sub(CONSOLE_LINES)..].iter().map(|&line| line.into()).collect()
}

impl Executor for Guest {
    fn console(&self) -> Vec<String> {
        let Some((path, _)) = &self.answered else { return Vec::new() };
        if let Some(lines) = self.lines_of_answered() {
            return lines;
        }
        let text = fs::read(path).unwrap_or_default();
        last(&String::from_utf8_lossy(&text).lines().map(str::trim_end).collect::<Vec<_>>())
    }

    fn submit(&mut self, work: Work) -> Result<()> {
        let marker = marker(&work.name, work.mode);
        self.waiting.push_back(Waiting { work, marker, sent: 0 });
        self.send()
    }

    fn answer(&mut self, logged: &mut dyn FnMut(&str)) -> Result<Answer> {
        self.send()?;
        let Some(mut waiting) = self.waiting.pop_front() else {
            bail!("an answer is awaited that nothing was sent for");
        };
        let mut answer = self.finish(&waiting, logged)?;
        if answer.as_ref().is_err_and(|failure| ended_behind(failure, &waiting, &self.waiting)) {
            // It was answered, and the answer was still on its way when the guest ended under the next.
            self.lose();
            waiting.sent = 0;
            answer = self.finish(&waiting, logged)?;
        }
        let splats = self.machine()?.take_splats();
        // The agent lets the kernel print before it answers. What comes later all the same says whose it
        // is: after the marker of a batch that was answered already, it is of that one.
        let said = |splat: Splat| match splat.case {
            Some(case) if case != waiting.marker => format!("{} (of {case})", splat.title),
            _ => splat.title,
        };
        let splats: Vec<String> = splats.into_iter().map(said).collect();
        self.answered = Some((numbered(&self.config.console_log, self.started), waiting.marker));
        match answer {
            Ok(responses) => {
                if !splats.is_empty() {
                    // What ran before may have damaged the kernel: the next case gets a fresh one.
                    self.lose();
                }
                Ok(Answer::Done { responses, splats })
            }
            Err(failure) if failure.kind == FailureKind::Interrupted => {
                Err(Stop::Interrupted.into())
            }
            Err(failure) => {
                self.lose();
                Ok(Answer::Dead(Box::new(failure)))
            }
        }
    }

    fn abandon(&mut self) {
        if !self.waiting.is_empty() {
            self.waiting.clear();
            self.machine = None;
        }
    }
}

#[cfg(test)]
mod tests;
