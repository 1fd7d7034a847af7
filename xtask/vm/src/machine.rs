//! A machine: QEMU, the channel to its agent and its console, as one value.

mod hang;

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::thread::sleep;
use std::time::{Duration, Instant};

use bpf_wire::{Batch, GuestInfo, HEARTBEAT_MS, PROTOCOL_VERSION, Request, Response, marker};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tempfile::TempDir;

use super::accel::Accel;
use super::channel::{Channel, ChannelError};
use super::console::{Console, Splat};
use super::device::{
    AgentPort, Board, Boot, Device, GdbStub, Memory, Monitor, Processor, ResetEnds, SerialConsole,
};
use super::failure::{FailureKind, GuestFailure, StartFailure};
use super::qemu::{self, Qemu};
use harness_host::files::socket_folder;
use harness_host::interrupt;
use harness_kernel::boot::BootOptions;

/// Lines of the console that a failure shows.
const TAIL: usize = 40;

/// [`MachineConfig::end_deadline`] of a usual machine.
const END_DEADLINE: Duration = Duration::from_secs(3);

/// How late the console may be in a guest that failed.
const LAG: Duration = Duration::from_millis(200);

/// Factor on [`MachineConfig::patience`] while a module is being loaded. The kernel blinds a program
/// of thousands of instructions in one go, with one processor, before the heartbeat gets its turn.
const MODULE_PATIENCE: u32 = 6;

/// A deadline that is none: a year, which can still be multiplied and added to.
const NO_DEADLINE: Duration = Duration::from_secs(365 * 24 * 3600);

/// What to start.
#[derive(Clone, Debug)]
pub struct MachineConfig {
    /// Uncompressed ELF `vmlinux` with a PVH note.
    pub kernel: PathBuf,
    /// The initramfs, see [`crate::image`].
    pub initramfs: PathBuf,
    /// KVM or TCG.
    pub accel: Accel,
    /// Further properties of TCG's processor, or empty.
    pub tcg_cpu: String,
    /// Main memory in MiB.
    pub memory_mib: u32,
    /// File that takes the console; emptied first, stays.
    pub console_log: PathBuf,
    /// Further arguments for the kernel's command line.
    pub kernel_args: Vec<String>,
    /// Longest time from the start to the agent's first record.
    pub start_deadline: Duration,
    /// Longest silence of the agent while it executes a request.
    pub patience: Duration,
    /// Longest time that a batch may take, where the config does not ask for more. The heartbeat
    /// notices a guest that is dead much sooner; this is for one that lives while its program never
    /// ends.
    pub batch_deadline: Duration,
    /// How long QEMU may take to end once the guest has reset itself.
    pub end_deadline: Duration,
    /// Socket on which QEMU waits for gdb before it starts anything.
    pub gdb: Option<PathBuf>,
}

impl MachineConfig {
    /// A machine with the usual memory and patience.
    pub fn new(kernel: PathBuf, initramfs: PathBuf, accel: Accel, console_log: PathBuf) -> Self {
        Self {
            kernel,
            initramfs,
            accel,
            tcg_cpu: String::new(),
            memory_mib: 256,
            console_log,
            kernel_args: Vec::new(),
            start_deadline: Duration::from_secs(30),
            patience: Duration::from_millis(10 * HEARTBEAT_MS),
            batch_deadline: Duration::from_secs(60),
            end_deadline: END_DEADLINE,
            gdb: None,
        }
    }

    /// The same with a person at the other end of a stub for gdb, who may stop the machine for as long
    /// as they like.
    pub fn debugged(mut self, socket: PathBuf) -> Self {
        self.gdb = Some(socket);
        self.start_deadline = NO_DEADLINE;
        self.patience = NO_DEADLINE;
        self.batch_deadline = NO_DEADLINE;
        self.end_deadline = NO_DEADLINE;
        self
    }

    /// The same for a kernel that is to be started in a particular way.
    pub fn booted(mut self, boot: &BootOptions) -> Self {
        self.memory_mib = self.memory_mib.max(boot.memory_mib);
        self.kernel_args.extend_from_slice(&boot.kernel_args);
        self.tcg_cpu.clone_from(&boot.tcg_cpu);
        self.start_deadline *= boot.slowdown;
        self.patience *= boot.slowdown;
        self.end_deadline *= boot.slowdown;
        self
    }
}

/// A running machine whose agent is ready. Dropping it kills QEMU and removes what it left, except
/// for the console's log.
///
/// QEMU is also killed when the thread that started the machine ends.
#[derive(Debug)]
pub struct Machine {
    // Dropped in this order: QEMU ends before its socket's folder goes.
    qemu: Qemu,
    channel: Channel,
    console: Console,
    guest: GuestInfo,
    boot_time: Duration,
    end_deadline: Duration,
    patience: Duration,
    /// The requests that were sent and not answered, the oldest first: it is the one that is being
    /// executed.
    sent: VecDeque<Sent>,
    _dir: TempDir,
}

impl Machine {
    /// Starts QEMU and waits for the agent's first record.
    ///
    /// # Errors
    ///
    /// [`StartFailure`]; nothing is left running.
    pub fn start(config: &MachineConfig) -> Result<Self, StartFailure> {
        interrupt::install();
        let host = |doing: String| move |source| StartFailure::Host { doing, source };
        for path in [&config.kernel, &config.initramfs] {
            fs::File::open(path).map_err(host(format!("open {}", path.display())))?;
        }
        let dir = socket_folder("bpf-indirect-vm-")
            .map_err(host("create a temporary folder for the machine's socket".into()))?;
        let socket = dir.path().join("agent");
        let listener =
            UnixListener::bind(&socket).map_err(host(format!("listen on {}", socket.display())))?;
        listener.set_nonblocking(true).map_err(host(format!("set up {}", socket.display())))?;
        let console = Console::create(&config.console_log)
            .map_err(host(format!("create {}", config.console_log.display())))?;

        let stub = config.gdb.clone().map(|socket| GdbStub { socket });
        let parts: [&dyn Device; 8] = [
            &Board,
            &Processor { accel: config.accel, tcg_cpu: config.tcg_cpu.clone() },
            &Memory { mib: config.memory_mib },
            &SerialConsole { log: config.console_log.clone() },
            &AgentPort { socket },
            &Monitor,
            &ResetEnds,
            &Boot { kernel: config.kernel.clone(), initramfs: config.initramfs.clone() },
        ];
        let stub = stub.iter().map(|stub| stub as &dyn Device);
        let parts: Vec<&dyn Device> = parts.into_iter().chain(stub).collect();
        let args = qemu::command_line(&parts, &config.kernel_args);
        let started = Instant::now();
        let qemu = Qemu::spawn(&args, &dir.path().join("stderr")).map_err(|source| {
            if source.kind() == io::ErrorKind::NotFound {
                StartFailure::NoQemu { program: qemu::PROGRAM }
            } else {
                StartFailure::Host { doing: format!("start {}", qemu::PROGRAM), source }
            }
        })?;
        let mut starting = Starting { qemu, console };
        let stream = starting.accept(&listener, config.start_deadline)?;
        let mut channel = Channel::new(stream, config.patience, Some(starting.qemu.id()))
            .map_err(host("set up the channel's socket".into()))?;
        let left = config.start_deadline.saturating_sub(started.elapsed());
        let first = channel.first(left).map_err(|error| starting.blame(&error))?;
        let boot_time = started.elapsed();
        let guest = match first {
            Response::Ready(guest) if guest.protocol == PROTOCOL_VERSION => guest,
            Response::Ready(guest) => {
                let title = format!(
                    "the agent speaks protocol {}, the host {PROTOCOL_VERSION}; \
                     build both from the same sources",
                    guest.protocol
                );
                return Err(starting.failure(FailureKind::Protocol, title).into());
            }
            Response::Trouble(text) => {
                return Err(starting.failure(FailureKind::Trouble, text).into());
            }
            other => {
                let title = format!("expected Ready from the agent, got {other:?}");
                return Err(starting.failure(FailureKind::Protocol, title).into());
            }
        };
        let Starting { qemu, console } = starting;
        let MachineConfig { end_deadline, patience, .. } = *config;
        Ok(Self {
            qemu,
            channel,
            console,
            guest,
            boot_time,
            end_deadline,
            patience,
            sent: VecDeque::new(),
            _dir: dir,
        })
    }

    /// What the agent found when it started.
    pub fn guest(&self) -> &GuestInfo {
        &self.guest
    }

    /// From starting QEMU to the agent's first record.
    pub fn boot_time(&self) -> Duration {
        self.boot_time
    }

    /// Sends a request and waits for its answer, which is no [`Response::Trouble`]: that is a
    /// failure, as it leaves the guest in a state that nobody knows.
    ///
    /// # Errors
    ///
    /// [`GuestFailure`]; the machine is of no more use then. What the console shows goes before what
    /// the channel shows. [`Machine::take_splats`] still works and gives all that came.
    pub fn request(
        &mut self,
        request: &Request,
        deadline: Duration,
    ) -> Result<Response, GuestFailure> {
        self.request_logged(request, deadline, &mut |_| {})
    }

    /// As [`Machine::request`]; `logged` is told what the kernel logs meanwhile, where the request
    /// has the agent send that.
    ///
    /// # Errors
    ///
    /// As of [`Machine::request`].
    pub fn request_logged(
        &mut self,
        request: &Request,
        deadline: Duration,
        logged: &mut dyn FnMut(&str),
    ) -> Result<Response, GuestFailure> {
        self.submit(request)?;
        self.answer(deadline, logged)
    }

    /// Sends a request while others may not be answered yet. The agent takes them one after the other.
    ///
    /// # Errors
    ///
    /// [`GuestFailure`] when it cannot be sent; the guest may have answered those before it.
    pub fn submit(&mut self, request: &Request) -> Result<(), GuestFailure> {
        let sent = Sent::of(request);
        let submitted = self.channel.submit(request);
        submitted.map_err(|error| {
            blame(&mut self.qemu, &mut self.console, sent.marker.as_deref(), &error)
        })?;
        self.sent.push_back(sent);
        Ok(())
    }

    /// Waits for the answer to the oldest request without one. `deadline` starts now. `logged` is as
    /// of [`Machine::request_logged`].
    ///
    /// # Errors
    ///
    /// As of [`Machine::request`].
    pub fn answer(
        &mut self,
        deadline: Duration,
        logged: &mut dyn FnMut(&str),
    ) -> Result<Response, GuestFailure> {
        let started = Instant::now();
        let sent = self.sent.pop_front().unwrap_or_default();
        let loads = sent.answer == Answer::Module;
        self.channel.set_patience(self.patience * if loads { MODULE_PATIENCE } else { 1 });
        let mut response = self.channel.answer(deadline);
        while let (true, Ok(Response::Log(text))) = (loads, &response) {
            logged(text);
            response = self.channel.next(deadline.saturating_sub(started.elapsed()));
        }
        let marker = sent.marker.as_deref();
        let response = response.map_err(|error| {
            self.sent.clear();
            blame(&mut self.qemu, &mut self.console, marker, &error)
        })?;
        if let Response::Trouble(text) = response {
            catch_up(&mut self.qemu, &mut self.console, marker);
            let title = format!("the agent is in trouble: {text}");
            return Err(failure(&mut self.console, marker, FailureKind::Trouble, title));
        }
        if sent.answer.fits(&response) {
            Ok(response)
        } else {
            let title = format!("the agent answered with what was not asked for: {response:?}");
            Err(failure(&mut self.console, marker, FailureKind::Protocol, title))
        }
    }

    /// The splats that came since the last call, each with the case that was running; without those
    /// of requests that were not answered yet, and what followed them.
    pub fn take_splats(&mut self) -> Vec<Splat> {
        self.console.update();
        let waiting: Vec<&str> =
            self.sent.iter().filter_map(|sent| sent.marker.as_deref()).collect();
        self.console.take_splats(&waiting)
    }

    /// Asks the agent to end the machine, and waits for that. Gives the splats that came since they
    /// were last taken.
    ///
    /// # Errors
    ///
    /// [`GuestFailure`] if the machine does not end by itself; it is killed then.
    pub fn power_off(mut self) -> Result<Vec<Splat>, GuestFailure> {
        let sent = self.channel.send(&Request::PowerOff, self.end_deadline);
        if let Err(error) = sent {
            return Err(blame(&mut self.qemu, &mut self.console, None, &error));
        }
        if self.qemu.wait(self.end_deadline).is_none() {
            if interrupt::check().is_err() {
                let error = ChannelError::Interrupted;
                return Err(blame(&mut self.qemu, &mut self.console, None, &error));
            }
            let title = format!("the machine did not power off within {:?}", self.end_deadline);
            return Err(failure(&mut self.console, None, FailureKind::Hung, title));
        }
        Ok(self.take_splats())
    }
}

/// A request that was sent.
#[derive(Debug, Default)]
struct Sent {
    /// What its marker on the console says, if it writes one: for a crash before that got there.
    marker: Option<String>,
    answer: Answer,
}

/// What a request is answered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Answer {
    Batch,
    Module,
    File,
    Loop,
    Resources,
    /// Nothing.
    #[default]
    Nothing,
}

impl Sent {
    fn of(request: &Request) -> Self {
        let (marked, answer) = match request {
            Request::Batch(Batch { name, mode, .. }) => (Some((name, *mode)), Answer::Batch),
            Request::LoadModule { name, mode, .. } => (Some((name, *mode)), Answer::Module),
            Request::ReadFile { .. } => (None, Answer::File),
            Request::Loop { .. } => (None, Answer::Loop),
            Request::Resources => (None, Answer::Resources),
            Request::PowerOff => (None, Answer::Nothing),
        };
        Self { marker: marked.map(|(name, mode)| marker(name, mode)), answer }
    }
}

impl Answer {
    fn fits(self, response: &Response) -> bool {
        matches!(
            (self, response),
            (Self::Batch, Response::Batch(_))
                | (Self::Module, Response::Module { .. })
                | (Self::File, Response::File(_))
                | (Self::Loop, Response::Looped)
                | (Self::Resources, Response::Resources(_))
        )
    }
}

/// A machine whose agent has not spoken yet.
struct Starting {
    qemu: Qemu,
    console: Console,
}

impl Starting {
    /// Waits for QEMU to connect.
    fn accept(
        &mut self,
        listener: &UnixListener,
        deadline: Duration,
    ) -> Result<UnixStream, StartFailure> {
        let started = Instant::now();
        loop {
            match listener.accept() {
                Ok((stream, _)) => return Ok(stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(source) => {
                    let doing = "accept QEMU's connection".into();
                    return Err(StartFailure::Host { doing, source });
                }
            }
            if interrupt::check().is_err() {
                return Err(self.blame(&ChannelError::Interrupted).into());
            }
            if self.qemu.exited().is_some() {
                return Err(self.blame(&ChannelError::Closed).into());
            }
            if started.elapsed() >= deadline {
                let title = format!("QEMU did not open its channel within {deadline:?}");
                return Err(self.failure(FailureKind::QemuDied, title).into());
            }
            let mut fds = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
            // Nothing is lost by an error: the loop looks again.
            let _ = poll(&mut fds, PollTimeout::from(20_u8));
        }
    }

    fn blame(&mut self, error: &ChannelError) -> GuestFailure {
        let mut failure = blame(&mut self.qemu, &mut self.console, None, error);
        if matches!(error, ChannelError::Silent(_)) && failure.kind == FailureKind::Silent {
            failure.kind = FailureKind::Hung;
            failure.title = format!("the guest did not start: {}", failure.title);
            let said = self.qemu.said();
            if !said.is_empty() {
                failure.title = format!("{}; QEMU said: {said}", failure.title);
            }
        }
        failure
    }

    fn failure(&mut self, kind: FailureKind, title: String) -> GuestFailure {
        failure(&mut self.console, None, kind, title)
    }
}

/// What a broken channel means, with the console's and QEMU's help.
fn blame(
    qemu: &mut Qemu,
    console: &mut Console,
    sent: Option<&str>,
    error: &ChannelError,
) -> GuestFailure {
    if matches!(error, ChannelError::Interrupted) {
        return failure(console, sent, FailureKind::Interrupted, error.to_string());
    }
    // A panicking guest closes the channel only by ending QEMU.
    let ended = match error {
        ChannelError::Closed => qemu.wait(END_DEADLINE),
        _ => qemu.exited(),
    };
    catch_up(qemu, console, sent);
    if ended.is_none() && hang::is_one(error) && first_fatal(console).is_none() {
        hang::stop(qemu);
        console.update();
    }
    let (kind, title) = judge(error, ended, &qemu.said());
    let Some(splat) = first_fatal(console) else { return failure(console, sent, kind, title) };
    let (kind, title) = match hang::place(&splat) {
        Some(place) => hang::named(kind, &title, place),
        None => (splat.kind, splat.title),
    };
    let mut failure = failure(console, sent, kind, title);
    failure.case = splat.case.or(failure.case);
    failure
}

/// Looks at the console, and waits until it shows the marker of what was sent. The kernel may be some
/// ticks late with what it logs.
fn catch_up(qemu: &mut Qemu, console: &mut Console, sent: Option<&str>) {
    let started = Instant::now();
    console.update();
    while sent.is_some()
        && console.case() != sent
        && qemu.exited().is_none()
        && started.elapsed() < LAG
    {
        sleep(Duration::from_millis(2));
        console.update();
    }
}

/// The splat that ended the guest. The first is the cause, what follows its consequence.
fn first_fatal(console: &Console) -> Option<Splat> {
    console.splats().iter().find(|splat| splat.kind.is_fatal()).cloned()
}

/// What a broken channel means where the console shows nothing.
fn judge(error: &ChannelError, ended: Option<ExitStatus>, said: &str) -> (FailureKind, String) {
    match (error, ended) {
        (ChannelError::Closed | ChannelError::Io(_), Some(status)) if status.success() => {
            (FailureKind::Panic, "the guest reset without a message (triple fault?)".to_owned())
        }
        (_, Some(status)) => {
            let colon = if said.is_empty() { "" } else { ": " };
            (FailureKind::QemuDied, format!("QEMU {}{colon}{said}", qemu::describe(status)))
        }
        (ChannelError::Silent(_), None) => (FailureKind::Silent, error.to_string()),
        (ChannelError::Deadline(_), None) => (FailureKind::Hung, error.to_string()),
        (_, None) => (FailureKind::Protocol, error.to_string()),
    }
}

fn failure(
    console: &mut Console,
    sent: Option<&str>,
    kind: FailureKind,
    title: String,
) -> GuestFailure {
    console.update();
    GuestFailure {
        kind,
        title,
        case: sent.map(str::to_owned).or_else(|| console.case().map(str::to_owned)),
        console_tail: console.tail(TAIL),
        console_log: console.path().to_owned(),
    }
}

#[cfg(test)]
mod tests;
