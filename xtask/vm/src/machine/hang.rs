//! A guest that took too long: stopped, to see where its processor was.
//!
//! The kernel's own watchdogs would tell in the end, but only after 20 s, not where interrupts are
//! off, and not of a program that may be preempted. An NMI comes through everywhere.

use std::time::Duration;

use crate::channel::ChannelError;
use crate::console::Splat;
use crate::device::Monitor;
use crate::failure::FailureKind;
use crate::qemu::Qemu;

/// How long the kernel may take to show its registers and to reset the machine.
const DEADLINE: Duration = Duration::from_secs(5);

/// Where the processor was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// In this function of the kernel, or of a program that the kernel has a symbol for; or
    /// `f, below g` where `f` was interrupted by `g`.
    Function(&'a str),
    /// Waiting for an interrupt.
    Idle,
    /// In code that the kernel has no symbol for: a program, or user space.
    Unnamed,
}

/// Whether the guest may still be running.
pub(super) fn is_one(error: &ChannelError) -> bool {
    matches!(
        error,
        ChannelError::Silent(_) | ChannelError::Stopped { .. } | ChannelError::Deadline(_)
    )
}

/// Has the kernel say on the console where it is, and end. A kernel that has not got to its command
/// line yet does not.
pub(super) fn stop(qemu: &mut Qemu) {
    if qemu.interrupt().is_ok() {
        qemu.wait(DEADLINE);
    }
}

/// Where the processor was, if that is what a splat tells.
pub(super) fn place(splat: &Splat) -> Option<Place<'_>> {
    let rest = splat.title.strip_prefix(Monitor::STOPPED)?;
    let Some(place) = rest.strip_prefix(" in ") else { return Some(Place::Unnamed) };
    let function = place.split(',').next().unwrap_or_default();
    let idle = function.contains("idle") || function.ends_with("_halt");
    Some(if idle { Place::Idle } else { Place::Function(place) })
}

/// What a hang is by the place where the processor was. `kind` and `title` are what it is without.
pub(super) fn named(kind: FailureKind, title: &str, place: Place<'_>) -> (FailureKind, String) {
    let (busy, place) = match place {
        Place::Function(function) => (true, format!("the kernel was in {function}")),
        Place::Idle => (false, "the processor was idle".to_owned()),
        Place::Unnamed => (true, "the processor was in code without a symbol".to_owned()),
    };
    // The agent's heartbeat is a thread of its own: a busy processor without it was not given up.
    let kind = match kind {
        FailureKind::Silent | FailureKind::Protocol if busy => FailureKind::Lockup,
        kind => kind,
    };
    (kind, format!("{title}; {place}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn splat(title: &str) -> Splat {
        Splat { kind: FailureKind::Panic, title: title.into(), case: None }
    }

    #[test]
    fn the_panic_that_was_asked_for_tells_the_place() {
        let stopped = |rest: &str| splat(&format!("{}{rest}", Monitor::STOPPED));
        let (looping, idle) = (stopped(" in ___bpf_prog_run"), stopped(" in pv_native_safe_halt"));
        assert_eq!(place(&looping), Some(Place::Function("___bpf_prog_run")));
        assert_eq!(place(&idle), Some(Place::Idle));
        let interrupted = stopped(" in default_idle, below apic_ack_edge");
        assert_eq!(place(&interrupted), Some(Place::Idle));
        assert_eq!(place(&stopped("")), Some(Place::Unnamed));
        assert_eq!(place(&splat("Kernel panic - not syncing: Fatal exception")), None);
    }

    #[test]
    fn a_busy_processor_without_a_heartbeat_is_locked_up() {
        let named = |kind, place| named(kind, "no heartbeat", place);
        let looping = Place::Function("f");
        assert_eq!(
            named(FailureKind::Silent, looping),
            (FailureKind::Lockup, "no heartbeat; the kernel was in f".into())
        );
        assert_eq!(named(FailureKind::Protocol, looping).0, FailureKind::Lockup);
        assert_eq!(named(FailureKind::Silent, Place::Unnamed).0, FailureKind::Lockup);
        assert_eq!(
            named(FailureKind::Silent, Place::Idle),
            (FailureKind::Silent, "no heartbeat; the processor was idle".into())
        );
        assert_eq!(named(FailureKind::Protocol, Place::Idle).0, FailureKind::Protocol);
        assert_eq!(named(FailureKind::Hung, looping).0, FailureKind::Hung);
    }
}
