//! An ONNX graph under construction.
//!
//! Every function that adds a node returns the value that the node computes, so a lowering reads like a
//! forward pass. `size` is for shapes, which may be known now or only when the network runs.

mod size;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

pub(crate) use size::{Size, signed};

use crate::{Error, Weights, weights::Recipe};

/// The name of something that is computed or stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Value(String);

/// One operation; all that are used have one result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) operator: &'static str,
    pub(crate) inputs: Vec<Value>,
    /// The node's own name too.
    pub(crate) output: Value,
    pub(crate) attributes: Vec<(&'static str, Attribute)>,
}

/// A setting of a node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Attribute {
    Float(f32),
    Int(i64),
    Text(&'static str),
    Ints(Vec<i64>),
}

/// A stored tensor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Initializer {
    pub(crate) name: Value,
    pub(crate) element: Element,
    pub(crate) dims: Vec<usize>,
    pub(crate) content: Content,
}

/// The types of stored tensors, by ONNX's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Element {
    F32 = 1,
    I64 = 7,
}

/// Where the numbers of a stored tensor come from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    /// From here, little-endian.
    Constant(Vec<u8>),
    /// From the weights, when the file is written.
    Weights { keys: Vec<String>, recipe: Recipe },
}

/// The graph so far, and the weights that it is checked against.
pub(crate) struct Graph<'a> {
    weights: &'a dyn Weights,
    pub(crate) nodes: Vec<Node>,
    pub(crate) initializers: Vec<Initializer>,
    constants: BTreeMap<(Element, Vec<usize>, Vec<u8>), Value>,
    /// What is computed already, by the text of its node.
    computed: BTreeMap<String, Value>,
    names: BTreeSet<String>,
}

impl Value {
    /// An input that is left out.
    pub(crate) fn absent() -> Self {
        Self(String::new())
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }
}

impl Initializer {
    /// Bytes of the numbers.
    pub(crate) fn byte_len(&self) -> u64 {
        let size = match self.element {
            Element::F32 => 4,
            Element::I64 => 8,
        };
        self.dims.iter().map(|&dim| dim as u64).product::<u64>() * size
    }
}

impl fmt::Debug for Graph<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Graph")
            .field("nodes", &self.nodes)
            .field("initializers", &self.initializers)
            .finish_non_exhaustive()
    }
}

impl<'a> Graph<'a> {
    pub(crate) fn new(weights: &'a dyn Weights) -> Self {
        Self {
            weights,
            nodes: Vec::new(),
            initializers: Vec::new(),
            constants: BTreeMap::new(),
            computed: BTreeMap::new(),
            names: BTreeSet::new(),
        }
    }

    /// Names an input of the graph.
    pub(crate) fn input(&mut self, name: &str) -> Value {
        self.named(name)
    }

    /// Adds a node, unless an equal one is there; `scope` is the path of the layer it belongs to.
    pub(crate) fn node(
        &mut self,
        scope: &str,
        operator: &'static str,
        inputs: &[&Value],
        attributes: Vec<(&'static str, Attribute)>,
    ) -> Value {
        let text = format!("{operator} {inputs:?} {attributes:?}");
        if let Some(known) = self.computed.get(&text) {
            return known.clone();
        }
        let output = self.named(&format!("{scope}/{operator}"));
        self.computed.insert(text, output.clone());
        self.nodes.push(Node {
            operator,
            inputs: inputs.iter().map(|&input| input.clone()).collect(),
            output: output.clone(),
            attributes,
        });
        output
    }

    /// Gives what a node computes another name, at the end of all.
    pub(crate) fn rename(&mut self, value: &Value, name: &str) -> Value {
        self.computed.clear();
        let name = self.named(name);
        for node in &mut self.nodes {
            let uses = node.inputs.iter_mut().chain([&mut node.output]);
            for used in uses.filter(|used| *used == value) {
                used.clone_from(&name);
            }
        }
        name
    }

    /// Stores a tensor of the weights as it is.
    pub(crate) fn weight(&mut self, key: &str, dims: &[usize]) -> Result<Value, Error> {
        self.derived(key, dims, Recipe::Same, &[(key, dims)])
    }

    /// Stores what `recipe` makes of tensors of the weights, which must have the shapes beside them.
    pub(crate) fn derived(
        &mut self,
        name: &str,
        dims: &[usize],
        recipe: Recipe,
        tensors: &[(&str, &[usize])],
    ) -> Result<Value, Error> {
        for &(key, expected) in tensors {
            let found = self.weights.shape(key);
            let found = found.ok_or_else(|| Error::Missing {
                key: key.to_owned(),
            })?;
            if found != expected {
                return Err(Error::Shape {
                    key: key.to_owned(),
                    found,
                    expected: expected.to_vec(),
                });
            }
        }
        let keys = tensors.iter().map(|&(key, _)| key.to_owned()).collect();
        let content = Content::Weights { keys, recipe };
        Ok(self.store(name, Element::F32, dims, content))
    }

    /// Stores numbers; equal ones are stored once.
    pub(crate) fn floats(&mut self, dims: &[usize], values: &[f32]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.constant(Element::F32, dims, bytes.collect())
    }

    /// Stores whole numbers; equal ones are stored once.
    pub(crate) fn ints(&mut self, dims: &[usize], values: &[i64]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.constant(Element::I64, dims, bytes.collect())
    }

    /// Stores a list of whole numbers, such as a shape.
    pub(crate) fn list(&mut self, values: &[i64]) -> Value {
        self.ints(&[values.len()], values)
    }

    fn constant(&mut self, element: Element, dims: &[usize], bytes: Vec<u8>) -> Value {
        let key = (element, dims.to_vec(), bytes);
        if let Some(known) = self.constants.get(&key) {
            return known.clone();
        }
        let name = format!("constants/{}", self.constants.len());
        let value = self.store(&name, element, dims, Content::Constant(key.2.clone()));
        self.constants.insert(key, value.clone());
        value
    }

    fn store(&mut self, name: &str, element: Element, dims: &[usize], content: Content) -> Value {
        let name = self.named(name);
        self.initializers.push(Initializer {
            name: name.clone(),
            element,
            dims: dims.to_vec(),
            content,
        });
        name
    }

    /// A name that nothing else has: the wanted one, or that with a number.
    fn named(&mut self, wanted: &str) -> Value {
        let mut name = wanted.to_owned();
        let mut number = 1;
        while !self.names.insert(name.clone()) {
            number += 1;
            name = format!("{wanted}_{number}");
        }
        Value(name)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::{Attribute, Content, Graph};
    use crate::{Error, Weights};

    /// Weights that are numbers counted from 0, of whatever shape they are said to have.
    #[derive(Debug, Default)]
    pub(crate) struct Counted(pub(crate) BTreeMap<String, Vec<usize>>);

    impl Weights for Counted {
        fn shape(&self, key: &str) -> Option<Vec<usize>> {
            self.0.get(key).cloned()
        }

        fn read(&self, key: &str) -> Result<Vec<f32>, upernet_hf::Error> {
            let count: usize = self.0[key].iter().product();
            Ok((0..count).map(|number| number as f32).collect())
        }
    }

    #[test]
    fn names_are_unique_and_say_where_a_node_belongs() {
        let weights = Counted::default();
        let mut graph = Graph::new(&weights);
        let x = graph.input("x");
        let first = graph.node("layer", "Relu", &[&x], Vec::new());
        let second = graph.node("layer", "Relu", &[&first], Vec::new());
        assert_eq!(first.name(), "layer/Relu");
        assert_eq!(second.name(), "layer/Relu_2");
        let output = graph.rename(&first, "y");
        assert_eq!(graph.nodes[0].output, output);
        assert_eq!(graph.nodes[1].inputs, [output]);
    }

    #[test]
    fn equal_nodes_are_there_once() {
        let weights = Counted::default();
        let mut graph = Graph::new(&weights);
        let x = graph.input("x");
        let axis = |axis| vec![("axis", Attribute::Int(axis))];
        let first = graph.node("a", "Softmax", &[&x], axis(1));
        assert_eq!(graph.node("b", "Softmax", &[&x], axis(1)), first);
        assert_ne!(graph.node("b", "Softmax", &[&x], axis(2)), first);
        assert_ne!(graph.node("b", "Softmax", &[&first], axis(1)), first);
        assert_eq!(graph.nodes.len(), 3);
    }

    #[test]
    fn equal_constants_are_stored_once() {
        let weights = Counted::default();
        let mut graph = Graph::new(&weights);
        let list = graph.list(&[1, 2]);
        assert_eq!(graph.list(&[1, 2]), list);
        assert_ne!(graph.ints(&[1, 2], &[1, 2]), list);
        assert_eq!(graph.initializers.len(), 2);
        assert_eq!(graph.initializers[0].byte_len(), 16);
        assert!(matches!(
            &graph.initializers[0].content,
            Content::Constant(bytes) if bytes.len() == 16
        ));
    }

    #[test]
    fn a_weight_must_be_there_in_its_shape() {
        let weights = Counted(BTreeMap::from([("a".to_owned(), vec![2, 3])]));
        let mut graph = Graph::new(&weights);
        assert_eq!(graph.weight("a", &[2, 3]).expect("it fits").name(), "a");
        let error = graph.weight("a", &[3, 2]).expect_err("another shape");
        assert_eq!(
            error.to_string(),
            "tensor \"a\" has the shape [2, 3]; config.json asks for [3, 2]"
        );
        let error = graph.weight("b", &[1]).expect_err("not there");
        assert!(matches!(error, Error::Missing { key } if key == "b"));
    }
}
