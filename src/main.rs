//! The thin binary: hands the arguments to the library and returns its status.

fn main() -> std::process::ExitCode {
    hrec::cmd::main()
}
