use super::*;
use rstest::rstest;

fn said(code: i32, line: &str) -> CallOutput {
    CallOutput { code: Some(code), complaints: vec![line.to_owned()] }
}

#[rstest]
#[case(1, "Failed to create file system for \"x:\": didn't find section in config file", Configuration, Side::Here)]
#[case(1, "Fatal error: unknown flag: --nonsense", Configuration, Side::Here)]
#[case(2, "something about usage", Configuration, Side::Here)]
#[case(8, "max transfer limit reached", Configuration, Side::Here)]
#[case(10, "max transfer duration reached", Configuration, Side::Here)]
#[case(
    1,
    "couldn't connect SSH: ssh: handshake failed: ssh: unable to authenticate",
    Authentication,
    Side::Destination
)]
#[case(1, "couldn't connect SSH: ssh: handshake failed: knownhosts: key mismatch", Authentication, Side::Destination)]
#[case(1, "dial tcp 127.0.0.1:1: connect: connection refused", Network, Side::Destination)]
#[case(1, "dial tcp: lookup nas.invalid: no such host", Network, Side::Destination)]
#[case(1, "read tcp: i/o timeout", Network, Side::Destination)]
#[case(5, "something temporary", Network, Side::Destination)]
#[case(3, "directory not found", Network, Side::Destination)]
#[case(4, "object not found", Network, Side::Destination)]
#[case(1, "a: Failed to copy: write /x/a: no space left on device", DestinationFull, Side::Destination)]
#[case(1, "a: Failed to copy: 507 Insufficient Storage", DestinationFull, Side::Destination)]
#[case(1, "a: Failed to copy: preallocate: file too big for remaining disk space", DestinationFull, Side::Destination)]
#[case(
    1,
    "a: Failed to copy: response error: An operation failed because the disk was full.",
    DestinationFull,
    Side::Destination
)]
#[case(1, "mkdir /x: read-only file system", DestinationUnreachable, Side::Destination)]
#[case(
    1,
    "mkdir x: response error: {Write Protect Error} The disk cannot be written to because it is write-protected.",
    DestinationUnreachable,
    Side::Destination
)]
#[case(1, "Failed to copy: Update ReadFrom failed: sftp: \"Failure\" (SSH_FX_FAILURE)", Unknown, Side::Destination)]
#[case(1, "a: Failed to copy: open /x: file name too long", Configuration, Side::Destination)]
#[case(1, "a: Failed to copy: mkdir /x: permission denied", Authentication, Side::Destination)]
#[case(1, "a: Failed to copy: failed to open source object: open a: permission denied", LocalRead, Side::Source)]
#[case(
    1,
    "a: Failed to copy: can't copy - source file is being updated (size changed from 1 to 7)",
    FailureClass::LocalFileChanged,
    Side::Source
)]
#[case(1, "response: logon failure", Authentication, Side::Destination)]
#[case(6, "something less serious", Unknown, Side::Destination)]
#[case(7, "something fatal", Unknown, Side::Destination)]
#[case(9, "nothing to do", Unknown, Side::Destination)]
fn what_rclone_says(#[case] code: i32, #[case] line: &str, #[case] class: FailureClass, #[case] side: Side) {
    let error = rclone(&said(code, line), "x");
    assert_eq!((error.class, error.side), (class, side), "{error}");
    let first = connecting(&said(code, line), "x").class;
    assert_eq!(first, if class == Network { DestinationUnreachable } else { class });
}

/// WebDAV's answers to a full disk are those to a read-only one.
#[rstest]
#[case("a: Failed to copy: Not Found: 404 Not Found", true)]
#[case("a: Failed to copy: unchunked simple update failed: Method Not Allowed: 405 Method Not Allowed", true)]
#[case("sub/b: Failed to copy: Update mkParentDir failed: Conflict: 409 Conflict", true)]
#[case("mkdir \"x\" failed: sftp: \"Failure\" (SSH_FX_FAILURE)", false)]
#[case("a: Failed to copy: something new", false)]
fn s8_what_is_refused_without_a_reason_is_unknown(#[case] line: &str, #[case] full: bool) {
    let said = said(1, line);
    assert_eq!((rclone(&said, "x").class, sending(&said, "x").class), (Unknown, Unknown));
    assert_eq!(may_be_full(&said), full);
}

#[rstest]
#[case("a: Failed to copy: mkdir /x: permission denied", Authentication)]
#[case("a: Failed to copy: Forbidden: 403 Forbidden", Authentication)]
#[case("a: Failed to copy: Insufficient Storage: 507 Insufficient Storage", DestinationFull)]
fn s8_a_write_that_is_refused_with_a_reason_keeps_it(#[case] line: &str, #[case] class: FailureClass) {
    assert_eq!(rclone(&said(1, line), "x").class, class);
}

/// Each as both versions say it, with the last words that repeat the reason alone.
#[rstest]
#[case(
    "Local file system at /proc/self/fd/5: error reading source root directory: permission denied",
    "Failed to copy: permission denied",
    LocalRead
)]
#[case(
    "Local file system at /proc/self/fd/5: error reading source directory \"sub\": permission denied",
    "Failed to copy with 2 errors: last error was: permission denied",
    LocalRead
)]
#[case("sub/b: --files-from failed to read file: permission denied", "Failed to copy: permission denied", LocalRead)]
#[case(
    "Local file system at a: error reading source root directory: directory not found",
    "Failed to copyto: directory not found",
    FailureClass::LocalFileVanished
)]
fn s24_a_source_that_cannot_be_read_is_no_matter_of_the_destination(
    #[case] line: &str,
    #[case] last: &str,
    #[case] class: FailureClass,
) {
    let said = CallOutput { code: Some(1), complaints: vec![line.to_owned(), last.to_owned()] };
    let error = sending(&said, "x");
    assert_eq!((error.class, error.side), (class, Side::Source), "{error}");
    // What the destination refuses beside it comes first.
    let refused = CallOutput {
        complaints: [said.complaints, vec!["c: Failed to copy: mkdir /x: permission denied".to_owned()]].concat(),
        ..said
    };
    assert_eq!(sending(&refused, "x").class, Authentication);
}

#[test]
fn an_account_that_may_not_rename_is_named() {
    for line in [
        "a: Couldn't move: Move Rename failed: permission denied",
        "a: Couldn't move: rename /x/a /y/a: operation not permitted",
        "Failed to moveto: Move Rename failed: permission denied",
    ] {
        let error = rclone(&said(1, line), "x");
        assert_eq!((error.class, error.side), (Authentication, Side::Destination), "{error}");
        assert!(error.message.contains("may write there but not rename"), "{error}");
    }
    let error = rclone(&said(1, "a: Failed to copy: mkdir /x: permission denied"), "x");
    assert!(!error.message.contains("rename"), "{error}");
}

#[test]
fn a_killed_rclone_is_tried_again() {
    assert_eq!(rclone(&CallOutput { code: None, complaints: Vec::new() }, "x").class, Network);
}
