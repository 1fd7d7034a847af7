//! The record stream: any split decodes the same, all corruption is detected, truncation waits for
//! more.

use bpf_wire::{
    Batch, BatchReport, DecodeError, Decoder, Failure, HEADER_LEN, MAX_PAYLOAD, Mode, Output,
    ProgramLine, ProgramLoad, Record, Request, Response, Step, encode,
};
use proptest::prelude::*;

fn decode_all(pieces: &[&[u8]]) -> Result<Vec<Record<Response>>, DecodeError> {
    let mut decoder = Decoder::new();
    let mut records = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        while let Some(record) = decoder.pop()? {
            records.push(record);
        }
    }
    Ok(records)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..40)
}

fn output() -> impl Strategy<Value = Output> {
    prop_oneof![
        Just(Output::Done),
        (any::<u32>(), bytes(), bytes()).prop_map(|(retval, data, ctx)| Output::Ran {
            retval,
            data,
            ctx
        }),
        prop::collection::vec((bytes(), bytes()), 0..4).prop_map(Output::Elements),
        (any::<(u32, u32, u64)>(), prop::collection::vec(any::<u32>(), 0..4)).prop_map(
            |((xlated, line_col, jited), maps)| Output::Described {
                lines: vec![ProgramLine { xlated, line_col, jited }],
                maps
            }
        ),
        bytes().prop_map(Output::Bytes),
        Just(Output::Attempted(None)),
    ]
}

fn response() -> impl Strategy<Value = Response> {
    let failure = (any::<i32>(), ".{0,30}").prop_map(|(errno, log)| Err(Failure { errno, log }));
    let step = prop_oneof![output().prop_map(Ok), failure];
    prop_oneof![
        Just(Response::Heartbeat),
        any::<i32>().prop_map(|errno| Response::Module { errno }),
        ".{0,60}".prop_map(Response::Log),
        prop_oneof![bytes().prop_map(Ok), any::<i32>().prop_map(Err)].prop_map(Response::File),
        ".{0,60}".prop_map(Response::Trouble),
        (prop::collection::vec(step, 0..4), 0..3_u32, 0..3_u32).prop_map(
            |(steps, jit_enable, jit_harden)| Response::Batch(BatchReport {
                steps,
                jit_enable,
                jit_harden
            })
        ),
    ]
}

/// Some messages, and their encoded stream.
fn stream() -> impl Strategy<Value = (Vec<Response>, Vec<u8>)> {
    prop::collection::vec(response(), 1..6).prop_map(|messages| {
        let stream = (0..)
            .zip(&messages)
            .flat_map(|(seq, m)| encode(seq, m).expect("a response encodes"))
            .collect();
        (messages, stream)
    })
}

proptest! {
    #[test]
    fn any_split_decodes_the_same(
        (messages, stream) in stream(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]).collect();
        let records = decode_all(&pieces).unwrap();
        let seqs: Vec<u32> = records.iter().map(|record| record.seq).collect();
        prop_assert_eq!(seqs, (0..messages.len() as u32).collect::<Vec<_>>());
        let bodies: Vec<Response> = records.into_iter().map(|record| record.body).collect();
        prop_assert_eq!(bodies, messages);
    }

    #[test]
    fn a_corrupted_byte_yields_no_wrong_record(
        (messages, mut stream) in stream(),
        at in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        let at = at.index(stream.len());
        stream[at] ^= flip;
        let mut decoder = Decoder::<Response>::new();
        decoder.push(&stream);
        let mut good = 0;
        while let Ok(Some(record)) = decoder.pop() {
            prop_assert_eq!(&record.body, &messages[good]);
            good += 1;
        }
        // Neither the corrupt record nor any after it is ever returned.
        let before: usize =
            (0..).zip(&messages[..good]).map(|(seq, m)| encode(seq, m).unwrap().len()).sum();
        prop_assert_eq!(decoder.offset(), before as u64);
        prop_assert!(before <= at);
        prop_assert!(good < messages.len());
    }

    #[test]
    fn a_truncated_stream_is_incomplete(
        (messages, stream) in stream(),
        at in any::<prop::sample::Index>(),
    ) {
        let kept = at.index(stream.len());
        let records = decode_all(&[&stream[..kept]]).unwrap();
        prop_assert!(records.len() < messages.len());
    }

    #[test]
    fn any_bytes_are_survived(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_all(&[&noise]);
        let mut behind_a_header = encode(0, &Response::Heartbeat).unwrap();
        behind_a_header.extend(noise);
        let _ = decode_all(&[&behind_a_header]);
    }
}

#[test]
fn a_request_goes_the_other_way() {
    let request = Request::Batch(Batch {
        name: "gotox/one_target".to_owned(),
        mode: Mode::JitHardened,
        steps: vec![Step::LoadProgram(Box::new(ProgramLoad {
            name: "p".to_owned(),
            prog_type: 31,
            expected_attach_type: 0,
            flags: 0,
            license: "GPL".to_owned(),
            insns: vec![0xb7, 0, 0, 0, 7, 0, 0, 0],
            map_refs: vec![(1, 0)],
            btf: None,
            func_info: vec![],
            line_info: vec![],
            log_level: 2,
            without_caps: vec![21, 39],
            dump: true,
        }))],
    });
    let mut decoder = Decoder::<Request>::new();
    decoder.push(&encode(0, &request).unwrap());
    assert_eq!(decoder.pop(), Ok(Some(Record { seq: 0, body: request })));
    assert_eq!(decoder.pop(), Ok(None));
    assert_eq!(decoder.pending(), 0);
}

#[test]
fn errors_say_where_and_are_final() {
    let mut stream = encode(0, &Response::Heartbeat).unwrap();
    let first = stream.len() as u64;
    stream.extend(b"Bad");
    let mut decoder = Decoder::<Response>::new();
    decoder.push(&stream);
    assert!(matches!(decoder.pop(), Ok(Some(_))));
    let error = decoder.pop().unwrap_err();
    assert!(matches!(error, DecodeError::BadMagic { offset, .. } if offset == first));
    decoder.push(&encode(1, &Response::Heartbeat).unwrap());
    assert_eq!(decoder.pop(), Err(error));
}

#[test]
fn each_kind_of_damage_is_named() {
    let good = encode(0, &Response::Heartbeat).unwrap();
    let decode = |stream: &[u8]| decode_all(&[stream]).unwrap_err().to_string();

    let mut long = good.clone();
    long[4..8].copy_from_slice(&(MAX_PAYLOAD as u32 + 1).to_le_bytes());
    assert_eq!(
        decode(&long[..HEADER_LEN]),
        "record at stream offset 0 announces 67108865 bytes of payload, more than 67108864"
    );

    let mut flipped = good.clone();
    flipped[HEADER_LEN] ^= 1;
    assert!(decode(&flipped).contains("offset 0 has CRC"));

    let skipped = encode(1, &Response::Heartbeat).unwrap();
    assert_eq!(decode(&skipped), "record at stream offset 0 has sequence number 1, expected 0");

    let unknown = encode(0, &250_u8).unwrap();
    assert!(decode(&unknown).contains("holds no known message"));
    let trailing = encode(0, &(Response::Heartbeat, 1_u8)).unwrap();
    assert!(decode(&trailing).contains("1 bytes are left over"));
}
