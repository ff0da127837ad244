//! Descriptions of tensors that were made to harm: each is refused in one line, and none is given memory
//! beyond a small multiple of its own bytes.
//!
//! What a single operation can lie about is in `weights_pytorch_hostile.rs`; here are whole attacks, on
//! both of `PyTorch`'s formats. Those on the file around the description are in
//! `weights_hostile_files.rs`.

mod counting_allocator;
mod hostile;
mod pytorch_archive;

use counting_allocator::peak_during;
use hostile::{both, refusal, refused};
use pytorch_archive::Pickle;
use upernet_hf::weights::{PyTorchFile, SafetensorsFile};

/// Bytes that a file of any size may take while its description is read.
const MOST: usize = 80 << 20;

#[test]
fn the_files_that_the_others_vary_are_read() {
    let pickle = Pickle::dict().tensor("w", 4, 1, &[3], &[1]).end();
    for file in both(&pickle) {
        let file = PyTorchFile::from_bytes(file).expect("it is well formed");
        assert_eq!(file.read_f32("w").expect("floats"), [0.0; 3]);
    }
}

#[test]
fn commands_are_not_run_however_they_are_asked_for() {
    // GLOBAL and REDUCE; STACK_GLOBAL; through the memo; with a state for an object.
    let asks: [(&[u8], &str); 8] = [
        (b"cos\nsystem\nX\x02\0\0\0id\x85R.", "os.system"),
        (b"cposix\nsystem\nX\x02\0\0\0id\x85R.", "posix.system"),
        (
            b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93\x8c\x01x\x85R.",
            "builtins.exec",
        ),
        (
            b"\x80\x04\x8c\x0asubprocess\x94\x8c\x05Popen\x94h\0h\x01\x93)\x81}b.",
            "subprocess.Popen",
        ),
        (b"}X\x0a\0\0\0state_dictcos\nsystem\n)Rs.", "os.system"),
        (
            b"ctorch.storage\n_load_from_bytes\nX\x01\0\0\0.\x85R.",
            "torch.storage._load_from_bytes",
        ),
        (
            b"ctorch._tensor\n_rebuild_from_type_v2\n(tR.",
            "torch._tensor._rebuild_from_type_v2",
        ),
        // What a terminal would take for a command of its own.
        (b"cos\x1b[2J\nsystem\n)R.", "os\\u{1b}[2J.system"),
    ];
    for (pickle, name) in asks {
        for file in both(pickle) {
            let line = refusal(file);
            let wanted = format!("it asks Python for \"{name}\", which is refused and was not run");
            assert!(line.contains(&wanted), "{line}");
        }
    }
    // STRING before INST, INST, OBJ, NEWOBJ_EX, an extension of the registry, buffers beside the pickle,
    // BINUNICODE8 and BINBYTES8 of 16 EiB, LONG4 of 2 GiB.
    let operations: [(&[u8], u8); 9] = [
        (b"(S'id'\nios\nsystem\n.", 0x53),
        (b"(ios\nsystem\n.", 0x69),
        (b"(No.", 0x6f),
        (b"}))\x92.", 0x92),
        (b"\x82\x01.", 0x82),
        (b"\x97.", 0x97),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff", 0x8d),
        (b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff", 0x8e),
        (b"\x8b\xff\xff\xff\x7f", 0x8b),
    ];
    for (pickle, code) in operations {
        for file in both(pickle) {
            let line = refusal(file);
            let wanted = format!("operation 0x{code:02x} is not one that describes weights");
            assert!(line.contains(&wanted), "{line}");
        }
    }
}

/// A file that is deep in itself must not be walked, nor dropped, by recursion.
#[test]
fn depth_is_no_danger() {
    const DEPTH: usize = 200_000;
    let lists = [vec![b']'; DEPTH], vec![b'a'; DEPTH - 1], vec![b'.']].concat();
    let tuples = [vec![b')'], vec![0x85; DEPTH], vec![b'.']].concat();
    let mut dictionaries = vec![b'}'];
    for _ in 0..50_000 {
        dictionaries.extend(b"}X\x01\0\0\0w");
    }
    // Marks that are never closed.
    let marks = [vec![b'('; DEPTH], vec![b'.']].concat();
    for (pickle, expected) in [
        (lists, "holds no dictionary of tensors but a list"),
        (tuples, "holds no dictionary of tensors but a tuple"),
        (dictionaries, "it is cut short"),
        (marks, "an operation needs a value on the stack"),
    ] {
        for file in both(&pickle) {
            let (line, peak) = refused(file);
            assert!(line.contains(expected), "{line}");
            assert!(peak < MOST, "{peak} bytes: {line}");
        }
    }
}

#[test]
fn what_holds_itself_is_looked_at_once() {
    for (pickle, expected) in [
        (
            &b"]q\0h\0a."[..],
            "holds no dictionary of tensors but a list",
        ),
        (
            b"}q\0X\x01\0\0\0wh\0s.",
            "holds a dictionary under the name \"w\", not a tensor",
        ),
        (
            b"}q\0X\x0a\0\0\0state_dicth\0s.",
            "holds a dictionary under the name \"state_dict\", not a tensor",
        ),
        (
            b"}q\0(X\x04\0\0\0metah\0X\x07\0\0\0CLASSESh\0u.",
            "holds a dictionary under the name \"meta\", not a tensor",
        ),
    ] {
        for file in both(pickle) {
            let line = refusal(file);
            assert!(line.contains(expected), "{line}");
        }
    }
}

#[test]
fn a_memo_multiplies_nothing() {
    // Each tuple holds the one before twice: 2^500 values, if they were ever written out.
    let mut doubled = b")q\0".to_vec();
    for _ in 0..500 {
        doubled.extend(b"h\0h\0\x86q\0");
    }
    doubled.push(b'.');
    for file in both(&doubled) {
        let line = refusal(file);
        assert_eq!(
            line,
            "holds no dictionary of tensors but a tuple; save the weights alone, with \
             `torch.save(model.state_dict(), path)`"
        );
    }
    // One slot, the farthest that can be named: no table is laid out up to it.
    for file in both(b"}r\xff\xff\xff\xff0.") {
        let line = refusal(file);
        assert!(line.contains("operation 0x30"), "{line}");
    }
}

/// Objects are cheap to ask for; what they take has an end.
#[test]
fn endless_descriptions_take_a_bounded_amount() {
    const COUNT: usize = 4 << 20;
    let view = Pickle::dict().tensor("w", 4, 0, &[1; 8], &[1; 8]).bytes;
    // Up to the call, whose arguments are then used again and again.
    let (head, _) = view.split_at(view.len() - 2);
    let call = head
        .windows(3)
        .position(|part| part == b"((X")
        .expect("its arguments start there");
    let mut views = head[..call].to_vec();
    views.extend(b"q\x01");
    views.extend(&head[call..]);
    views.extend(b"q\x02R");
    views.extend(b"h\x01h\x02R".repeat(COUNT / 5));
    let names: Vec<u8> = (0..300_000_u32)
        .flat_map(|number| {
            [
                &b"X\x04\0\0\0"[..],
                &number.to_le_bytes().map(|byte| byte & 0x7f),
                b"N",
            ]
            .concat()
        })
        .collect();
    for (pickle, expected) in [
        (vec![b'N'; COUNT], "more than 262144 objects"),
        (vec![b'}'; COUNT], "more than 262144 objects"),
        (
            [vec![b')'], vec![0x85; COUNT]].concat(),
            "more than 262144 objects",
        ),
        (vec![b'('; COUNT], "more than 262144 objects"),
        (
            [b"N".to_vec(), b"h\0".repeat(COUNT / 2)].concat(),
            "needs one that was memoized",
        ),
        (
            [b"Nq\0".to_vec(), b"h\0".repeat(COUNT / 2)].concat(),
            "more than 262144 objects",
        ),
        ([b"}(".to_vec(), names].concat(), "more than 262144 objects"),
        (views, "more than 262144 objects"),
    ] {
        for file in both(&pickle) {
            let (line, peak) = refused(file);
            assert!(line.contains(expected), "{line}");
            assert!(peak < MOST, "{peak} bytes: {line}");
        }
    }
}

#[test]
fn there_are_only_so_many_tensors() {
    const NAMES: u32 = 70_000;
    // One tensor of no elements, which claims nothing, under many names.
    let mut pickle = Pickle::dict().tensor("w", 4, 0, &[0], &[1]).bytes;
    pickle.pop();
    pickle.extend(b"q\x01s(");
    for number in 0..NAMES {
        pickle.extend(b"X\x05\0\0\0");
        pickle.extend(format!("{number:05}").as_bytes());
        pickle.extend(b"h\x01");
    }
    pickle.extend(b"u.");
    for file in both(&pickle) {
        let (line, peak) = refused(file);
        assert_eq!(line, "holds more than 65536 tensors");
        assert!(peak < MOST, "{peak} bytes");
    }
    let entries = (0..NAMES)
        .map(|number| format!(r#""{number}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#));
    let header = format!("{{{}}}", entries.collect::<Vec<_>>().join(","));
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    let mut line = String::new();
    let peak = peak_during(|| {
        let error = SafetensorsFile::from_bytes(file).expect_err("too many");
        line = error.to_string();
    });
    assert!(line.contains("more than 65536 tensors"), "{line}");
    assert!(peak < MOST, "{peak} bytes");
}
