//! The parameter types of steps that more than one noun has, and the macro for those that are a choice of phrases.

use std::convert::Infallible;
use std::str::FromStr;

pub(crate) use crate::scenario::Person;

/// Defines a step parameter that is one of several phrases, each with the value that it stands for:
///
/// ```ignore
/// phrases! {
///     /// The kind of credential that a plugin returns.
///     enum Gift as "plugin_gift" {
///         Token = "a token",
///         Certificate = "a certificate and its key",
///     }
/// }
/// phrases! {
///     CertificateFlaw as "certificate_flaw" {
///         "expired an hour ago" => Self::In(Flaw::Expired),
///     }
/// }
/// ```
///
/// The first form defines the enum, with `words()`; the second one reads an existing type. A phrase must not contain characters that are
/// special in a regular expression, except where they are escaped.
macro_rules! phrases {
    ($(#[$meta:meta])* enum $name:ident as $parameter:literal {
        $(#[$of_first:meta])* $first:ident = $first_phrase:literal $(, $(#[$of_variant:meta])* $variant:ident = $phrase:literal)* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum $name {
            $(#[$of_first])*
            $first,
            $($(#[$of_variant])* $variant,)*
        }

        impl $name {
            /// Returns the phrase of the features.
            fn words(self) -> &'static str {
                match self {
                    Self::$first => $first_phrase,
                    $(Self::$variant => $phrase,)*
                }
            }
        }

        impl cucumber::codegen::Parameter for $name {
            const REGEX: &'static str = concat!($first_phrase $(, "|", $phrase)*);
            const NAME: &'static str = $parameter;
        }

        impl std::str::FromStr for $name {
            type Err = anyhow::Error;

            fn from_str(said: &str) -> anyhow::Result<Self> {
                let mut all = [Self::$first $(, Self::$variant)*].into_iter();
                all.find(|one| one.words() == said).ok_or_else(|| anyhow::anyhow!("unknown {}: {said}", $parameter))
            }
        }
    };
    ($name:ident as $parameter:literal { $first:literal => $first_value:expr $(, $phrase:literal => $value:expr)* $(,)? }) => {
        impl cucumber::codegen::Parameter for $name {
            const REGEX: &'static str = concat!($first $(, "|", $phrase)*);
            const NAME: &'static str = $parameter;
        }

        impl std::str::FromStr for $name {
            type Err = anyhow::Error;

            fn from_str(said: &str) -> anyhow::Result<Self> {
                Ok(match said {
                    $first => $first_value,
                    $($phrase => $value,)*
                    other => anyhow::bail!("unknown {}: {other}", $parameter),
                })
            }
        }
    };
}

/// Quoted texts in a row: `"a"`, `"a" and "b"`, `"a", "b" and "c"`.
#[derive(Clone, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(name = "texts", regex = r#""[^"]*"(?:(?:, | and )"[^"]*")*"#)]
pub(crate) struct Texts(pub(crate) Vec<String>);

impl FromStr for Texts {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.split('"').skip(1).step_by(2).map(str::to_owned).collect()))
    }
}

impl Texts {
    /// Returns the texts as string slices.
    pub(crate) fn all(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_one_by_one() {
        let read = |text: &str| text.parse::<Texts>().map(|texts| texts.0);
        assert_eq!(
            read(r#""a", "b, c" and "d""#),
            Ok(vec!["a".to_owned(), "b, c".to_owned(), "d".to_owned()])
        );
    }
}
