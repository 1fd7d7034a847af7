//! Counts the guest's resources: descriptors, BPF objects, memory.

use std::fs;

use bpf_wire::Resources;

use crate::kernel::ids::{self, Kind};
use crate::kernel::{Kernel, heap, mounts};

const DESCRIPTORS: &str = "/proc/self/fd";
const MEMORY: &str = "/proc/meminfo";

/// Counts resources. Opens the agent's permanent files first, so that they do not show as a leak
/// later.
pub(crate) fn count(kernel: &mut Kernel) -> Result<Resources, String> {
    mounts::proc()?;
    kernel.open_all()?;
    heap::trim();
    let text = fs::read_to_string(MEMORY).map_err(|e| format!("failed to read {MEMORY}: {e}"))?;
    let objects = |kind| {
        ids::count(kind).map_err(|errno| format!("failed to count: {kind:?}: errno {errno}"))
    };
    Ok(Resources {
        descriptors: descriptors()?,
        programs: objects(Kind::Program)?,
        maps: objects(Kind::Map)?,
        btfs: objects(Kind::Btf)?,
        available_kib: kib(&text, "MemAvailable")?,
        slab_kib: kib(&text, "Slab")?,
        vmalloc_kib: kib(&text, "VmallocUsed")?,
        percpu_kib: kib(&text, "Percpu")?,
    })
}

/// Descriptors of this process, without the one for reading the folder.
fn descriptors() -> Result<u32, String> {
    let failed = |e| format!("failed to list {DESCRIPTORS}: {e}");
    let mut count = 0_u32;
    for entry in fs::read_dir(DESCRIPTORS).map_err(failed)? {
        entry.map_err(failed)?;
        count += 1;
    }
    Ok(count.saturating_sub(1))
}

/// A line of `/proc/meminfo`: `Slab:   1234 kB`.
fn kib(text: &str, name: &str) -> Result<u64, String> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = value.and_then(|value| value.trim().strip_suffix(" kB")?.parse().ok());
    number.ok_or_else(|| format!("{MEMORY} has no {name} in kB"))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_figure_is_found_by_its_whole_name() {
        let text = "SlabX:  1 kB\nSlab:            1712 kB\nHugePages_Total:       0\n";
        assert_eq!(kib(text, "Slab"), Ok(1712));
        assert!(kib(text, "HugePages_Total").is_err(), "has no unit");
        assert!(kib(text, "Percpu").is_err());
    }

    #[test]
    fn what_is_open_is_counted() {
        // Other tests open files meanwhile; open many more than they do.
        let before = descriptors().unwrap();
        let files: Vec<File> = (0..500).map(|_| File::open("/dev/null").unwrap()).collect();
        assert!(descriptors().unwrap() > before + 400);
        drop(files);
    }
}
