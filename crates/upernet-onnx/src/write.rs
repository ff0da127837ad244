//! From a graph to files. Weights are read as they are written, so hardly more than one is in memory.
//!
//! Field numbers are those of
//! [`onnx.proto`](https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};

use upernet_hf::{OutputFile, Overwrite};

use crate::{
    Error, WeightPlace, Weights,
    graph::{Attribute, Content, Element, Graph, Initializer, Node, signed},
    proto::Message,
};

/// Bytes that a protobuf message may have.
pub(crate) const MOST_BYTES: u64 = i32::MAX as u64;
/// The version of the file format that came with [`OPERATOR_SET`].
const FORMAT: i64 = 8;
/// The lowest set of operators with a layer norm.
const OPERATOR_SET: i64 = 17;
/// Weights in a file of their own start at multiples of this, so that they can be mapped into memory.
const PAGE: usize = 4096;

/// What goes into a file.
pub(crate) struct Model<'a> {
    pub(crate) graph: &'a Graph<'a>,
    pub(crate) interface: &'a Interface,
    /// Names and texts.
    pub(crate) metadata: &'a [(&'static str, String)],
}

/// What a graph takes and gives.
#[derive(Debug)]
pub(crate) struct Interface {
    pub(crate) name: &'static str,
    pub(crate) inputs: Vec<Tensor>,
    pub(crate) outputs: Vec<Tensor>,
}

/// A tensor of 32-bit numbers that goes in or comes out.
#[derive(Debug)]
pub(crate) struct Tensor {
    pub(crate) name: &'static str,
    pub(crate) axes: Vec<Axis>,
}

/// The length of an axis of such a tensor.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Axis {
    Fixed(usize),
    /// Any; those of one name are equal.
    Free(&'static str),
}

/// A file in the order of its bytes; the numbers of an initialiser follow its message.
#[derive(Debug)]
struct Parts<'a> {
    before: Message,
    initializers: Vec<Stored<'a>>,
    after: Message,
}

/// An initialiser and where its numbers are.
#[derive(Debug)]
struct Stored<'a> {
    initializer: &'a Initializer,
    place: WeightPlace,
    message: Message,
}

impl Model<'_> {
    /// Writes the file at `path`, and the weights beside it if that is their place; returns the files
    /// and their bytes.
    pub(crate) fn write(
        &self,
        weights: &dyn Weights,
        path: &Path,
        place: WeightPlace,
        overwrite: Overwrite,
    ) -> Result<(Vec<PathBuf>, u64), Error> {
        let beside = data_path(path);
        let parts = self.parts(place, &beside);
        let bytes = parts.bytes();
        if bytes > MOST_BYTES {
            return Err(Error::TooLarge { bytes });
        }
        // Both are begun before a weight is read, so a name that is taken is told at once.
        let mut file = OutputFile::create(path, overwrite)?;
        let mut data = match place {
            WeightPlace::Inside => None,
            WeightPlace::Beside => Some(OutputFile::create(&beside, overwrite)?),
        };
        let mut data_bytes = 0_usize;
        file.append(parts.before.bytes())?;
        for stored in &parts.initializers {
            file.append(stored.message.bytes())?;
            let values = values(stored.initializer, weights)?;
            match (&mut data, stored.place) {
                (Some(data), WeightPlace::Beside) => {
                    let padding = data_bytes.next_multiple_of(PAGE) - data_bytes;
                    data.append(&vec![0; padding])?;
                    data.append(&values)?;
                    data_bytes += padding + values.len();
                }
                _ => file.append(&values)?,
            }
        }
        file.append(parts.after.bytes())?;
        let mut files = vec![path.to_owned()];
        if let Some(data) = data {
            data.finish()?;
            files.push(beside);
        }
        file.finish()?;
        Ok((files, bytes + data_bytes as u64))
    }

    fn parts(&self, place: WeightPlace, data: &Path) -> Parts<'_> {
        let mut nodes = Message::default();
        for node in &self.graph.nodes {
            nodes.message(1, &node_message(node));
        }
        nodes.data(2, self.interface.name.as_bytes());
        let initializers = stored(&self.graph.initializers, place, data);
        let mut ends = Message::default();
        for (field, tensors) in [(11, &self.interface.inputs), (12, &self.interface.outputs)] {
            for tensor in tensors {
                ends.message(field, &tensor_message(tensor));
            }
        }

        let graph = [&nodes, &ends].map(|message| message.bytes().len() as u64);
        let graph = graph.iter().sum::<u64>() + initializers.iter().map(Stored::bytes).sum::<u64>();
        let mut before = Message::default();
        before.int(1, FORMAT);
        before.data(2, b"upernet");
        before.data(3, env!("CARGO_PKG_VERSION").as_bytes());
        before.announce(7, graph);
        before.append(&nodes);
        let mut after = ends;
        let mut set = Message::default();
        set.data(1, b"");
        set.int(2, OPERATOR_SET);
        after.message(8, &set);
        for (name, text) in self.metadata {
            after.message(14, &entry(name, text));
        }
        Parts {
            before,
            initializers,
            after,
        }
    }
}

impl Parts<'_> {
    /// Bytes of the file.
    fn bytes(&self) -> u64 {
        let ends = [&self.before, &self.after].map(|message| message.bytes().len() as u64);
        ends.iter().sum::<u64>() + self.initializers.iter().map(Stored::bytes).sum::<u64>()
    }
}

impl Stored<'_> {
    /// Bytes in the file itself.
    fn bytes(&self) -> u64 {
        let message = self.message.bytes().len() as u64;
        match self.place {
            WeightPlace::Inside => message + self.initializer.byte_len(),
            WeightPlace::Beside => message,
        }
    }
}

/// Where the weights of the file at `path` are if they have a file of their own.
fn data_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".data");
    name.into()
}

/// The messages of initialisers; small constants are always inside.
fn stored<'a>(
    initializers: &'a [Initializer],
    weights: WeightPlace,
    data: &Path,
) -> Vec<Stored<'a>> {
    let data = data.file_name().unwrap_or_default().to_string_lossy();
    let mut offset = 0_u64;
    let each = initializers.iter().map(|initializer| {
        let place = match initializer.content {
            Content::Constant(_) => WeightPlace::Inside,
            Content::Weights { .. } => weights,
        };
        let message = match place {
            WeightPlace::Inside => inside(initializer),
            WeightPlace::Beside => {
                offset = offset.next_multiple_of(PAGE as u64);
                let message = beside(initializer, &data, offset);
                offset += initializer.byte_len();
                message
            }
        };
        Stored {
            initializer,
            place,
            message,
        }
    });
    each.collect()
}

/// A `TensorProto` as a field of the graph, up to its numbers.
fn inside(initializer: &Initializer) -> Message {
    let mut tensor = described(initializer);
    tensor.announce(9, initializer.byte_len());
    let mut field = Message::default();
    field.announce(5, tensor.bytes().len() as u64 + initializer.byte_len());
    field.append(&tensor);
    field
}

/// A `TensorProto` as a field of the graph, which says where its numbers are.
fn beside(initializer: &Initializer, data: &str, offset: u64) -> Message {
    let mut tensor = described(initializer);
    let length = initializer.byte_len();
    let places = [
        ("location", data.to_owned()),
        ("offset", offset.to_string()),
        ("length", length.to_string()),
    ];
    for (name, text) in places {
        tensor.message(13, &entry(name, &text));
    }
    tensor.int(14, 1);
    let mut field = Message::default();
    field.message(5, &tensor);
    field
}

fn described(initializer: &Initializer) -> Message {
    let mut tensor = Message::default();
    for &dim in &initializer.dims {
        tensor.int(1, signed(dim));
    }
    tensor.int(2, initializer.element as i64);
    tensor.data(8, initializer.name.name().as_bytes());
    tensor
}

/// A `NodeProto`.
fn node_message(node: &Node) -> Message {
    let mut message = Message::default();
    for input in &node.inputs {
        message.data(1, input.name().as_bytes());
    }
    message.data(2, node.output.name().as_bytes());
    message.data(3, node.output.name().as_bytes());
    message.data(4, node.operator.as_bytes());
    for (name, attribute) in &node.attributes {
        message.message(5, &attribute_message(name, attribute));
    }
    message
}

/// An `AttributeProto`.
fn attribute_message(name: &str, attribute: &Attribute) -> Message {
    let mut message = Message::default();
    message.data(1, name.as_bytes());
    let kind = match attribute {
        Attribute::Float(value) => {
            message.float(2, *value);
            1
        }
        Attribute::Int(value) => {
            message.int(3, *value);
            2
        }
        Attribute::Text(value) => {
            message.data(4, value.as_bytes());
            3
        }
        Attribute::Ints(values) => {
            for value in values {
                message.int(8, *value);
            }
            7
        }
    };
    message.int(20, kind);
    message
}

/// A `ValueInfoProto`.
fn tensor_message(tensor: &Tensor) -> Message {
    let mut shape = Message::default();
    for axis in &tensor.axes {
        let mut dimension = Message::default();
        match axis {
            Axis::Fixed(size) => dimension.int(1, signed(*size)),
            Axis::Free(name) => dimension.data(2, name.as_bytes()),
        }
        shape.message(1, &dimension);
    }
    let mut kind = Message::default();
    kind.int(1, Element::F32 as i64);
    kind.message(2, &shape);
    let mut of_tensor = Message::default();
    of_tensor.message(1, &kind);
    let mut message = Message::default();
    message.data(1, tensor.name.as_bytes());
    message.message(2, &of_tensor);
    message
}

/// A `StringStringEntryProto`.
fn entry(key: &str, value: &str) -> Message {
    let mut message = Message::default();
    message.data(1, key.as_bytes());
    message.data(2, value.as_bytes());
    message
}

/// The numbers of an initialiser, little-endian.
fn values<'a>(initializer: &'a Initializer, weights: &dyn Weights) -> Result<Cow<'a, [u8]>, Error> {
    let (keys, recipe) = match &initializer.content {
        Content::Constant(bytes) => return Ok(Cow::Borrowed(bytes)),
        Content::Weights { keys, recipe } => (keys, recipe),
    };
    let tensors = keys.iter().map(|key| weights.read(key));
    let values = recipe.make(tensors.collect::<Result<_, _>>()?);
    Ok(Cow::Owned(
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
    ))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, path::Path};

    use upernet_hf::Overwrite;

    use super::{Axis, Interface, Model, Tensor};
    use crate::{
        Error, WeightPlace,
        graph::{Attribute, Graph, Value, tests::Counted},
    };

    fn counted(tensors: &[(&str, &[usize])]) -> Counted {
        let tensors = tensors
            .iter()
            .map(|(key, shape)| ((*key).to_owned(), shape.to_vec()));
        Counted(tensors.collect())
    }

    /// Writes the graph that `scripts/make_onnx_fixture.py` gives to the onnx package.
    fn write(path: &Path, place: WeightPlace) -> Vec<std::path::PathBuf> {
        let weights = counted(&[("layer.weight", &[3, 1, 1]), ("layer.bias", &[3, 1, 1])]);
        let mut graph = Graph::new(&weights);
        let x = graph.input("x");
        let weight = graph.weight("layer.weight", &[3, 1, 1]).expect("counted");
        let x = graph.node("layer", "Mul", &[&x, &weight], Vec::new());
        let bias = graph.weight("layer.bias", &[3, 1, 1]).expect("counted");
        let x = graph.node("layer", "Add", &[&x, &bias], Vec::new());
        let sizes = graph.list(&[1, 3, 400, 7]);
        let absent = Value::absent();
        let mut top = |operator, inputs: &[&Value], attribute| {
            let node = graph.node("", operator, inputs, vec![attribute]);
            graph.rename(&node, operator)
        };
        let mode = ("mode", Attribute::Text("linear"));
        let x = top("Resize", &[&x, &absent, &absent, &sizes], mode);
        let order = ("perm", Attribute::Ints(vec![0, 2, 3, 1]));
        let x = top("Transpose", &[&x], order);
        let x = top("LeakyRelu", &[&x], ("alpha", Attribute::Float(0.25)));
        let x = top("Softmax", &[&x], ("axis", Attribute::Int(-1)));
        graph.rename(&x, "y");

        let batch = Axis::Free("batch");
        let interface = Interface {
            name: "upernet",
            inputs: vec![Tensor {
                name: "x",
                axes: vec![batch, Axis::Fixed(3), Axis::Fixed(200), Axis::Free("width")],
            }],
            outputs: vec![Tensor {
                name: "y",
                axes: vec![batch, Axis::Fixed(400), Axis::Fixed(7), Axis::Fixed(3)],
            }],
        };
        let model = Model {
            graph: &graph,
            interface: &interface,
            metadata: &[("config.json", "{\"ä\": 1}\n".to_owned())],
        };
        let written = model.write(&weights, path, place, Overwrite::Refuse);
        let (files, bytes) = written.expect("the folder is writable");
        let found = files
            .iter()
            .map(|file| file.metadata().expect("it is there").len());
        assert_eq!(found.sum::<u64>(), bytes);
        files
    }

    #[test]
    fn files_are_those_of_the_onnx_package() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/onnx");
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, place, count) in [
            ("model.onnx", WeightPlace::Inside, 1),
            ("beside.onnx", WeightPlace::Beside, 2),
        ] {
            let files = write(&folder.path().join(name), place);
            assert_eq!(files.len(), count, "{name}");
            for file in files {
                let fixture = fixtures.join(file.file_name().expect("a file"));
                let expected = fs::read(&fixture).expect("testdata is complete");
                assert_eq!(fs::read(&file).expect("written"), expected, "{fixture:?}");
            }
        }
    }

    #[test]
    fn more_than_protobuf_takes_is_refused_before_a_byte_is_written() {
        let shape = [1 << 15, 1 << 15];
        let weights = counted(&[("a", &shape)]);
        let mut graph = Graph::new(&weights);
        graph.weight("a", &shape).expect("counted");
        let interface = Interface {
            name: "upernet",
            inputs: Vec::new(),
            outputs: Vec::new(),
        };
        let model = Model {
            graph: &graph,
            interface: &interface,
            metadata: &[],
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.onnx");
        let error = model
            .write(&weights, &path, WeightPlace::Inside, Overwrite::Refuse)
            .expect_err("4 GiB");
        assert!(
            matches!(error, Error::TooLarge { bytes } if bytes > 1 << 32),
            "{error}"
        );
        assert!(error.to_string().contains("2147483647 at most"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).expect("it exists").count(), 0);
    }

    #[test]
    fn the_file_of_the_weights_is_not_replaced_unasked() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.onnx");
        fs::write(folder.path().join("a.onnx.data"), b"other").expect("writable");
        let weights = Counted(BTreeMap::new());
        let graph = Graph::new(&weights);
        let interface = Interface {
            name: "upernet",
            inputs: Vec::new(),
            outputs: Vec::new(),
        };
        let model = Model {
            graph: &graph,
            interface: &interface,
            metadata: &[],
        };
        let error = model
            .write(&weights, &path, WeightPlace::Beside, Overwrite::Refuse)
            .expect_err("it is there");
        assert!(
            error.to_string().contains("a.onnx.data: already exists"),
            "{error}"
        );
        assert!(!path.exists());
    }
}
