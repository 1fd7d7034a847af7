//! The context of programs that see packets: which fields there are and what they hold.
//!
//! The verifier replaces each access to `struct __sk_buff` and `struct xdp_md` by accesses to the
//! kernel's own structures (`bpf_convert_ctx_access`, `xdp_convert_ctx_access` in
//! `net/core/filter.c`). Here the visible structure is kept as bytes, with a table of the fields
//! that the model knows; the others trap as unsupported. The values are those that
//! `bpf_prog_test_run_skb` and `bpf_prog_test_run_xdp` (`net/bpf/test_run.c`) set up.

use crate::trap::TrapKind;
use crate::value::Value;

/// Bytes of `struct __sk_buff`.
pub(crate) const SKB_SIZE: usize = 192;
/// Bytes of `struct xdp_md`.
pub(crate) const XDP_SIZE: usize = 24;

/// The context of a run.
#[derive(Clone, Debug)]
pub(crate) enum Context {
    /// The program's context is plain memory, or there is none.
    None,
    Skb(Box<SkbContext>),
    Xdp(XdpContext),
}

/// What a packet program of the `skb` kind sees.
#[derive(Clone, Debug)]
pub(crate) struct SkbContext {
    /// `struct __sk_buff` as the program would read it, without the packet pointers.
    pub(crate) fields: [u8; SKB_SIZE],
    /// The program may see packet pointers and write metadata: traffic control, not socket filter.
    pub(crate) traffic_control: bool,
    pub(crate) packet: PacketPointers,
}

/// What an XDP program sees.
#[derive(Clone, Copy, Debug)]
pub(crate) struct XdpContext {
    pub(crate) packet: PacketPointers,
}

/// Where the packet is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PacketPointers {
    pub(crate) data: Value,
    pub(crate) end: Value,
}

/// Offsets of fields in `struct __sk_buff` (`include/uapi/linux/bpf.h`).
pub(crate) mod skb {
    pub(crate) const LEN: usize = 0;
    pub(crate) const MARK: usize = 8;
    pub(crate) const PROTOCOL: usize = 16;
    pub(crate) const PRIORITY: usize = 32;
    pub(crate) const INGRESS_IFINDEX: usize = 36;
    pub(crate) const IFINDEX: usize = 40;
    pub(crate) const CB: usize = 48;
    pub(crate) const CB_END: usize = 68;
    pub(crate) const DATA: usize = 76;
    pub(crate) const DATA_END: usize = 80;
    pub(crate) const DATA_META: usize = 140;
    pub(crate) const TSTAMP: usize = 152;
    pub(crate) const WIRE_LEN: usize = 160;
    pub(crate) const GSO_SEGS: usize = 164;
}

impl Context {
    /// Reads `size` bytes at `off`, of which the caller has checked that they lie inside.
    pub(crate) fn load(&self, off: usize, size: usize) -> Result<Value, TrapKind> {
        match self {
            Self::None => Err(field("context", off, size)),
            Self::Skb(context) => context.load(off, size),
            Self::Xdp(context) => context.load(off, size),
        }
    }

    /// Writes `size` bytes at `off`, of which the caller has checked that they lie inside.
    pub(crate) fn store(&mut self, off: usize, size: usize, bits: u64) -> Result<(), TrapKind> {
        match self {
            Self::None => Err(field("context", off, size)),
            Self::Skb(context) => context.store(off, size, bits),
            // xdp_is_valid_access() lets only offloaded programs write.
            Self::Xdp(_) => Err(TrapKind::ReadOnly { object: "struct xdp_md".into() }),
        }
    }
}

impl SkbContext {
    /// `bpf_skb_is_valid_access`, narrowed by `sk_filter_is_valid_access` and
    /// `tc_cls_act_is_valid_access`.
    fn load(&self, off: usize, size: usize) -> Result<Value, TrapKind> {
        use skb::*;
        let aligned = off.is_multiple_of(size);
        match off {
            DATA | DATA_META if size == 4 && self.traffic_control => Ok(self.packet.data),
            DATA_END if size == 4 && self.traffic_control => Ok(self.packet.end),
            CB..CB_END if aligned && off + size <= CB_END => self.get(off, size),
            TSTAMP if size == 8 && self.traffic_control => self.get(off, size),
            _ if aligned && size <= 4 && self.readable(off - off % 4) => self.get(off, size),
            _ => Err(field("struct __sk_buff", off, size)),
        }
    }

    /// Whether the word is one whose value the model knows.
    fn readable(&self, off: usize) -> bool {
        use skb::*;
        match off {
            LEN | MARK | PROTOCOL | PRIORITY | INGRESS_IFINDEX | IFINDEX | GSO_SEGS => true,
            WIRE_LEN => self.traffic_control,
            _ => false,
        }
    }

    fn store(&mut self, off: usize, size: usize, bits: u64) -> Result<(), TrapKind> {
        use skb::*;
        let allowed = match off {
            CB..CB_END => off.is_multiple_of(size) && off + size <= CB_END,
            MARK | PRIORITY => size == 4 && self.traffic_control,
            TSTAMP => size == 8 && self.traffic_control,
            _ => false,
        };
        match self.fields.get_mut(off..off + size) {
            Some(bytes) if allowed => {
                bytes.copy_from_slice(&bits.to_le_bytes()[..size]);
                Ok(())
            }
            _ => Err(field("write to struct __sk_buff", off, size)),
        }
    }

    fn get(&self, off: usize, size: usize) -> Result<Value, TrapKind> {
        let mut word = [0; 8];
        match self.fields.get(off..off + size) {
            Some(bytes) => word[..size].copy_from_slice(bytes),
            None => return Err(field("struct __sk_buff", off, size)),
        }
        Ok(Value::scalar(u64::from_le_bytes(word)))
    }
}

impl XdpContext {
    /// `xdp_is_valid_access`: whole words only. Without device the packet came from loopback,
    /// interface 1, queue 0.
    fn load(&self, off: usize, size: usize) -> Result<Value, TrapKind> {
        match (off, size) {
            (0 | 8, 4) => Ok(self.packet.data),
            (4, 4) => Ok(self.packet.end),
            (12, 4) => Ok(Value::scalar(1)),
            (16, 4) => Ok(Value::scalar(0)),
            _ => Err(field("struct xdp_md", off, size)),
        }
    }
}

#[cold]
fn field(what: &str, off: usize, size: usize) -> TrapKind {
    TrapKind::Unsupported(format!("{what}: {size} bytes at offset {off}").into())
}

/// `eth_type_trans` (`net/ethernet/eth.c`): the protocol as `skb->protocol` holds it, the bytes of
/// the packet in network order read as a little-endian number.
pub(crate) fn ethernet_protocol(packet: &[u8]) -> u32 {
    const ETH_P_802_3: u16 = 0x0001;
    const ETH_P_802_2: u16 = 0x0004;
    let at = |off: usize| packet.get(off).copied().unwrap_or_default();
    let proto = u16::from_be_bytes([at(12), at(13)]);
    let proto = if proto >= 0x0600 {
        proto
    } else if packet.len() >= 16 && at(14) == 0xff && at(15) == 0xff {
        ETH_P_802_3
    } else {
        ETH_P_802_2
    };
    u32::from(proto.swap_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(traffic_control: bool) -> SkbContext {
        let mut fields = [0; SKB_SIZE];
        fields[skb::MARK..skb::MARK + 4].copy_from_slice(&0x1122_3344u32.to_le_bytes());
        let packet = PacketPointers { data: Value::scalar(1), end: Value::scalar(2) };
        SkbContext { fields, traffic_control, packet }
    }

    #[test]
    fn narrow_reads_take_the_low_bytes_first() {
        let context = context(true);
        assert_eq!(context.load(skb::MARK, 4), Ok(Value::scalar(0x1122_3344)));
        assert_eq!(context.load(skb::MARK, 1), Ok(Value::scalar(0x44)));
        assert_eq!(context.load(skb::MARK + 2, 2), Ok(Value::scalar(0x1122)));
        assert!(context.load(skb::MARK + 1, 2).is_err());
        assert!(context.load(skb::MARK, 8).is_err());
    }

    #[test]
    fn socket_filters_see_no_packet_pointers_and_write_cb_only() {
        let mut filter = context(false);
        assert!(filter.load(skb::DATA, 4).is_err());
        assert!(filter.store(skb::MARK, 4, 1).is_err());
        assert_eq!(filter.store(skb::CB + 8, 8, u64::MAX), Ok(()));
        assert_eq!(filter.load(skb::CB + 12, 4), Ok(Value::scalar(0xffff_ffff)));
        assert!(filter.store(skb::CB + 16, 8, 0).is_err(), "runs over the end of cb");
        assert_eq!(context(true).load(skb::DATA, 4), Ok(Value::scalar(1)));
    }

    #[test]
    fn protocols_of_ethernet() {
        let mut packet = [0; 20];
        packet[12] = 0x08;
        assert_eq!(ethernet_protocol(&packet), 0x0008);
        packet[12] = 0;
        assert_eq!(ethernet_protocol(&packet), 0x0400);
        packet[14..16].fill(0xff);
        assert_eq!(ethernet_protocol(&packet), 0x0100);
        assert_eq!(ethernet_protocol(&[]), 0x0400);
    }
}
