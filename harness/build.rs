//! Features are part of the binary: a change of one is a change of the program.

fn main() {
    println!("cargo::rerun-if-changed=features");
}
