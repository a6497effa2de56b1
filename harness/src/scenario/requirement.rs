//! The requirements of steps: capabilities of a cluster and features of its version. A definition declares them with [`requires!`](crate::requires), and a scenario requires what
//! its steps require and what its tags add. The main type is [`Requirement`].

use std::collections::HashMap;
use std::fmt;

#[doc(hidden)]
pub use cucumber::codegen::inventory;
use gherkin::{Step, StepType};

use super::step_definition::StepDefinition;
use super::vocabulary::Vocabulary;
use super::{OwnPeople, PROJECT, REQUIRES};

/// Declares what the step definition below it requires of a cluster: capabilities in `fixtures/capabilities/`, features of
/// Kubernetes in `fixtures/kubernetes.toml`.
///
/// With `if`, a name counts where the scenario's steps so far contain a text, with `unless` where none of them does, and none of those after `or`:
/// `requires!(issuer, cluster_signing_key if "certificate");`.
#[macro_export]
macro_rules! requires {
    ($($name:ident $(if $text:literal)? $(unless $other:literal $(or $more:literal)*)?),+ $(,)?) => {
        $crate::scenario::requirement::inventory::submit! {
            $crate::scenario::requirement::Declaration {
                file: file!(),
                line: line!(),
                needs: &[$($crate::scenario::requirement::Need {
                    name: stringify!($name),
                    with: &[$($text)?],
                    without: &[$($other $(, $more)*)?],
                }),+],
            }
        }
    };
}

/// One `requires!` in the source.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    /// The source file.
    pub file: &'static str,
    /// The line in the file, from 1.
    pub line: u32,
    /// The names that it lists.
    pub needs: &'static [Need],
}

inventory::collect!(Declaration);

/// A name in a `requires!`, with its condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The capability or feature.
    pub name: &'static str,
    /// The text that the steps so far must contain, if there is one.
    pub with: &'static [&'static str],
    /// The texts of which they must contain none.
    pub without: &'static [&'static str],
}

impl Need {
    fn applies(&self, so_far: &[&str]) -> bool {
        let says = |text: &&str| so_far.iter().any(|step| step.contains(text));
        self.with.iter().all(says) && !self.without.iter().any(says)
    }
}

/// Returns what the definitions at `places`, in the order of files and lines, require. A declaration is for the definition below it;
/// attributes on consecutive lines belong to one function.
pub(super) fn declared(places: &[(&'static str, u32)]) -> Vec<Vec<Need>> {
    let declarations: Vec<Declaration> = inventory::iter::<Declaration>.into_iter().copied().collect();
    attached(places, &declarations)
}

fn attached(places: &[(&'static str, u32)], declarations: &[Declaration]) -> Vec<Vec<Need>> {
    let (mut previous, mut begin) = (("", 0), 0);
    let needs_of = |&(file, line): &(&'static str, u32)| {
        begin = match previous {
            (other, _) if other != file => 0,
            (_, above) if above + 1 == line => begin,
            (_, above) => above,
        };
        previous = (file, line);
        let own = declarations
            .iter()
            .filter(|declaration| declaration.file == file && (begin..line).contains(&declaration.line));
        own.flat_map(|declaration| declaration.needs.iter().copied()).collect()
    };
    places.iter().map(needs_of).collect()
}

/// A capability of the cluster, or a feature of its version, that a scenario requires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The capability or feature.
    pub name: String,
    /// The tag or step that requires it.
    pub source: Source,
}

/// The part of a scenario that requires something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A tag of the scenario, or of its feature or rule.
    Tag(String),
    /// The first step that requires it.
    Step(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => write!(f, "@{tag}"),
            Self::Step(text) => f.write_str(text),
        }
    }
}

/// Returns the need for `name` without a condition.
const fn always(name: &'static str) -> Need {
    Need {
        name,
        with: &[],
        without: &[],
    }
}

/// The needs of all steps, looked up by text.
pub(super) struct Needs<'a> {
    definitions: Vec<&'a StepDefinition>,
    people: &'a OwnPeople,
    /// Most steps occur in many scenarios.
    known: HashMap<(StepType, String), Vec<Need>>,
}

impl<'a> Needs<'a> {
    pub(super) fn new(vocabulary: &'a Vocabulary) -> Self {
        Self {
            people: &vocabulary.people,
            definitions: vocabulary
                .steps
                .iter()
                .filter(|definition| !definition.requires.is_empty())
                .collect(),
            known: HashMap::new(),
        }
    }

    fn of(&mut self, step: &Step) -> &[Need] {
        let definitions = &self.definitions;
        self.known.entry((step.ty, step.value.clone())).or_insert_with(|| {
            let own = definitions.iter().filter(|definition| definition.defines(step));
            own.flat_map(|definition| definition.requires.iter().copied()).collect()
        })
    }

    /// Returns what a scenario with `tags` and `steps` requires: what its tags name, and then what its steps do, each name once.
    /// A name that both have is there twice.
    pub(super) fn requirements(&mut self, tags: &[String], steps: &[&Step]) -> Vec<Requirement> {
        let tagged = tags.iter().filter_map(|tag| {
            Some(Requirement {
                name: tag.strip_prefix(REQUIRES)?.to_owned(),
                source: Source::Tag(tag.clone()),
            })
        });
        let mut all: Vec<Requirement> = tagged.collect();
        let by_tags = all.len();
        let texts: Vec<&str> = steps.iter().map(|step| step.value.as_str()).collect();
        let people = self.people;
        // Those to whom a step gives a credential, which counts in place of the project's.
        let mut introduced: Vec<&str> = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let mut needs = self.of(step).to_vec();
            if let Some(person) = people.in_step(&step.value) {
                if step.ty == StepType::Given && needs.iter().any(|need| need.name == PROJECT) {
                    introduced.push(&person.name);
                } else if !introduced.contains(&person.name.as_str()) {
                    needs.extend([PROJECT].into_iter().chain(person.requires).map(always));
                }
            }
            for need in needs.iter().filter(|need| need.applies(&texts[..=index])) {
                if all[by_tags..].iter().all(|known| known.name != need.name) {
                    all.push(Requirement {
                        name: need.name.to_owned(),
                        source: Source::Step(format!("{} {}", step.keyword.trim(), step.value)),
                    });
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn need(name: &'static str) -> Need {
        always(name)
    }

    fn at(file: &'static str, line: u32, name: &'static str) -> Declaration {
        let needs = Vec::leak(vec![need(name)]);
        Declaration { file, line, needs }
    }

    #[test]
    fn a_declaration_is_for_the_function_below_it() {
        let declarations = [
            at("a.rs", 5, "one"),
            at("a.rs", 20, "two"),
            at("b.rs", 8, "three"),
            at("b.rs", 30, "nobody's"),
        ];
        // The second attribute stands below the first one, above the same function.
        let places = [("a.rs", 6), ("a.rs", 7), ("a.rs", 15), ("a.rs", 22), ("b.rs", 9)];
        let names: Vec<Vec<&str>> = attached(&places, &declarations)
            .iter()
            .map(|needs| needs.iter().map(|need| need.name).collect())
            .collect();
        assert_eq!(names, [vec!["one"], vec!["one"], vec![], vec!["two"], vec!["three"]]);
    }

    #[test]
    fn a_condition_looks_at_the_steps_so_far() {
        let with = Need {
            with: &["list"],
            ..need("x")
        };
        let without = Need {
            without: &["list"],
            ..need("x")
        };
        let (lists, asks) = ("she asks to list pods", "she asks who she is");
        assert!(with.applies(&[lists, asks]) && !with.applies(&[asks]));
        assert!(without.applies(&[asks]) && !without.applies(&[lists, asks]));
    }
}
