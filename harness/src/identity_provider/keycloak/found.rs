//! The description that a Keycloak image gives of itself, read with its own shell.
//!
//! The main type is [`Found`].

use std::path::{Path, PathBuf};

use authlab_testcontainers::description::keycloak::HOME;

use super::java::{self, Java};
use super::launch;

/// The description that a Keycloak image gives of itself.
pub(super) struct Found {
    pub version: String,
    pub java: Java,
    pub class_path: String,
}

impl Found {
    pub fn read(text: &str) -> Option<Self> {
        let version = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("Keycloak - Version "))?
            .trim()
            .to_owned();
        let libraries: Vec<PathBuf> = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("library "))
            .map(PathBuf::from)
            .collect();
        // A shell leaves a pattern unchanged if nothing matches it.
        if libraries.is_empty() || libraries.iter().any(|library| library.to_string_lossy().contains('*')) {
            return None;
        }
        let java = java::read(Path::new("java"), text)?;
        let java = Java {
            program: java.home.join("bin/java"),
            ..java
        };
        let class_path = launch::class_path(Path::new(HOME), libraries).ok()?;
        Some(Self {
            version,
            java,
            class_path: class_path.to_string_lossy().into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::java::Archive;
    use super::*;

    const SAYS: &str = "Property settings:\n    java.home = /usr/lib/jvm/jre\n    java.specification.version = 21\n    java.vendor = Someone\n    \
         java.vm.name = OpenJDK 64-Bit Server VM\n    java.vm.version = 21.0.8+9\n\nopenjdk version \"21.0.8\"\nKeycloak - Version 26.7.4\n\
         library /opt/keycloak/lib/app/keycloak.jar\nlibrary /opt/keycloak/lib/lib/main/z.bouncycastle.jar\n\
         library /opt/keycloak/lib/lib/main/a.jar\nlibrary /opt/keycloak/lib/lib/boot/b.jar\n";

    #[test]
    fn an_image_says_what_is_in_it() {
        let found = Found::read(SAYS).expect("it says all");
        assert_eq!(found.version, "26.7.4");
        assert_eq!(found.java.program, Path::new("/usr/lib/jvm/jre/bin/java"));
        assert_eq!(found.java.archive, Archive::ClassData);
        let names: Vec<&str> = found
            .class_path
            .split(':')
            .filter_map(|library| library.rsplit('/').next())
            .collect();
        assert_eq!(
            names,
            [
                "transformed-bytecode.jar",
                "generated-bytecode.jar",
                "keycloak.jar",
                "b.jar",
                "z.bouncycastle.jar",
                "a.jar"
            ]
        );
    }

    #[test]
    fn an_image_without_keycloak_is_told_apart() {
        assert!(Found::read("sh: java: not found\n").is_none());
        let nothing = SAYS.replace("/opt/keycloak/lib/app/keycloak.jar", "/opt/keycloak/lib/app/*.jar");
        assert!(Found::read(&nothing).is_none());
    }
}
