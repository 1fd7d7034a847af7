//! A program's line information and maps, as the kernel reports them.

#![expect(unsafe_code, reason = "bpf(2) takes addresses as numbers")]

use std::os::fd::OwnedFd;

use bpf_wire::ProgramLine;

use super::bpf::{CallError, address_mut, raw_info};
use super::uapi::ProgInfo;

/// `struct bpf_line_info`: slot, file, text, line and column.
type LineInfo = [u32; 4];

/// Lines and maps of a program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Description {
    /// Locations of its lines.
    pub(crate) lines: Vec<ProgramLine>,
    /// Ids of its maps.
    pub(crate) maps: Vec<u32>,
}

/// `BPF_OBJ_GET_INFO_BY_FD` of a program, for its lines and maps.
pub(crate) fn program(program: &OwnedFd) -> Result<Description, CallError> {
    // SAFETY: it contains no address.
    let lengths = unsafe { raw_info(program, ProgInfo::default())? };
    let mut lines = vec![[0; 4]; lengths.nr_line_info as usize];
    let mut addresses = vec![0_u64; lengths.nr_jited_line_info as usize];
    let mut maps = vec![0_u32; lengths.nr_map_ids as usize];
    let wanted = ProgInfo {
        nr_line_info: lengths.nr_line_info,
        line_info: address_mut(&mut lines),
        line_info_rec_size: size_of::<LineInfo>() as u32,
        nr_jited_line_info: lengths.nr_jited_line_info,
        jited_line_info: address_mut(&mut addresses),
        jited_line_info_rec_size: size_of::<u64>() as u32,
        nr_map_ids: lengths.nr_map_ids,
        map_ids: address_mut(&mut maps),
        ..ProgInfo::default()
    };
    // SAFETY: the buffers outlive the call and have the given sizes.
    let told = unsafe { raw_info(program, wanted)? };
    if told.jited_line_info == 0 {
        // The kernel clears the address of what it does not expose (kernel/bpf/syscall.c:
        // bpf_prog_get_info_by_fd()).
        addresses.clear();
    }
    Ok(Description { lines: join(&lines, &addresses), maps })
}

/// Combines lines and addresses: the kernel has an address for every line, or none at all.
fn join(lines: &[LineInfo], addresses: &[u64]) -> Vec<ProgramLine> {
    let address = |index| addresses.get(index).copied().unwrap_or(0);
    let line = |(index, &[xlated, _, _, line_col]): (usize, &LineInfo)| ProgramLine {
        xlated,
        line_col,
        jited: address(index),
    };
    lines.iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_machine_code_has_no_address() {
        let lines = [[0, 7, 8, 1024], [3, 7, 9, 2048]];
        let line = |xlated, line_col, jited| ProgramLine { xlated, line_col, jited };
        assert_eq!(join(&lines, &[16, 32]), [line(0, 1024, 16), line(3, 2048, 32)]);
        assert_eq!(join(&lines, &[]), [line(0, 1024, 0), line(3, 2048, 0)]);
    }
}
