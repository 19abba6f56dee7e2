//! What stands behind what, and what belongs to whom.

use super::*;

#[test]
fn v27_an_empty_folder_stands_where_what_lies_in_it_would() {
    let fixture = Fixture::new(&[("raw.log", "1"), ("raw-2/x", "22"), ("raw 1.tif", "333"), ("rawer", "4444")]);
    std::fs::create_dir(fixture.path("raw")).unwrap();
    let seal = fixture.seal();
    let paths: Vec<String> = seal.items().unwrap().map(|item| item.unwrap().path().to_string()).collect();
    assert_eq!(paths, ["raw 1.tif", "raw-2/x", "raw.log", "raw", "rawer"]);
    assert!(fixture.compare(&seal, Rehash::WhereNeeded).is_unchanged());
    // The same over what an interrupted attempt left.
    let writer = SealWriter::open(&fixture.listing(), &fixture.state("again")).unwrap();
    for name in ["raw 1.tif", "raw-2/x", "raw.log"] {
        writer.put(&file(name), fixture.run.stat(&file(name)).unwrap(), Digest([7; 32]), i64::MAX).unwrap();
    }
    writer.flush().unwrap();
    drop(writer);
    let known = SealWriter::open(&fixture.listing(), &fixture.state("again")).unwrap();
    let stat = fixture.run.stat(&file("raw.log")).unwrap();
    assert_eq!(known.known(&file("raw.log"), &stat).unwrap(), Some(Digest([7; 32])));
}

#[test]
fn v28_attributes_go_with_their_file_also_when_only_the_rest_is_asked_for() {
    let fixture = Fixture::new(&[("a", "1"), ("b", "2"), ("c", "3")]);
    for name in ["a", "b"] {
        rustix::fs::setxattr(fixture.path(name), "user.label", b"left", rustix::fs::XattrFlags::empty()).unwrap();
    }
    let seal = fixture.seal();
    let early = EarlyHashes::begin(&fixture.state("early")).unwrap();
    early.put(&file("b"), 1, Digest([2; 32]));
    let early = early.finish(&seal).unwrap().unwrap();
    let rest: Vec<Item> = early.rest().items().unwrap().map(Result::unwrap).collect();
    let paths: Vec<String> = rest.iter().map(|item| item.path().to_string()).collect();
    assert_eq!(paths, ["a", "a", "c"], "a file, its attributes, and the other");
}

#[test]
fn d25_what_one_proof_saw_says_nothing_about_another() {
    let fixture = Fixture::new(&[]);
    let names: Vec<String> = (0..2_000).map(|n| format!("raw/{n:05}.tif")).collect();
    names.iter().for_each(|name| fixture.write(name, "1"));
    let seal = fixture.seal();
    let seen = |inode| domain::proof::FileStat { size: 1, mtime_ns: 1, ctime_ns: 1, inode };
    let mut proof = SeenWriter::begin(&seal).unwrap();
    names.iter().for_each(|name| proof.put(&file(name), seen(1)).unwrap());
    let left_by_a_kill = fixture.state("seal.seen.0123-0.partial");
    std::fs::write(&left_by_a_kill, "half").unwrap();
    // Somebody else looks at the same run meanwhile, and its proof does not hold.
    let mut other = SeenWriter::begin(&seal).unwrap();
    names.iter().for_each(|name| other.put(&file(name), seen(2)).unwrap());
    assert!(!left_by_a_kill.exists(), "what a killed start left goes, and what this one writes stays");
    proof.keep().unwrap();
    drop(other);
    let mut kept = SeenAtNas::of(&seal);
    assert!(names.iter().all(|name| kept.at(&file(name)) == Some(seen(1))));
    let left: Vec<_> = std::fs::read_dir(fixture.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_str().unwrap().ends_with(".partial")), "{left:?}");
}
