use super::*;
use crate::doctor::sample;
use crate::verify::Verification;
use domain::job::FailureClass;
use domain::path::FilePath;
use domain::proof::Digest;

fn hash() -> DifferenceKind {
    DifferenceKind::Hash { sealed: Digest([0; 32]), found: Digest([1; 32]), first_difference: None }
}

fn differs(found: &[(&str, DifferenceKind)]) -> Verification {
    let differences: Vec<Difference> = found
        .iter()
        .map(|(name, kind)| Difference { path: FilePath::new(*name).unwrap(), kind: kind.clone() })
        .collect();
    let total = differences.len() as u64;
    Verification::Differs { class: FailureClass::HashMismatch, differences, total, reason: String::new() }
}

#[test]
fn each_damage_changes_what_it_says_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let seed = 1_700_000_000_000;
    let look = |run: &str, name: &str| {
        let path = dir.path().join(run).join(name);
        let modified = std::fs::metadata(&path).ok().and_then(|found| found.modified().ok());
        (std::fs::read(&path).ok(), modified)
    };
    sample::write(&dir.path().join("right"), seed).unwrap();
    for damage in Damage::ALL {
        let run = damage.slug();
        sample::write(&dir.path().join(run), seed).unwrap();
        damage.apply(&dir.path().join(run)).unwrap();
        let changed: Vec<&str> = [sample::EMPTY, ONE, FRAME_1, FRAME_2, STACK]
            .into_iter()
            .filter(|name| look(run, name).0 != look("right", name).0)
            .collect();
        assert_eq!(changed, damage.files().iter().map(|(name, _)| *name).collect::<Vec<_>>(), "{damage:?}");
        for (name, told) in damage.files() {
            let (was, is) = (look("right", name), look(run, name));
            let size = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(Vec::len);
            match told {
                Told::Missing => assert_eq!(is.0, None),
                Told::Size => assert_ne!(size(&is.0), size(&was.0)),
                Told::Content => assert_eq!(size(&is.0), size(&was.0)),
            }
            assert!(damage != Damage::SameSizeAndTime || is.1 == was.1);
        }
        assert!(!dir.path().join(run).join("aside").exists());
    }
}

#[test]
fn exactly_the_damaged_files_must_be_named() {
    let swapped = Damage::Swapped;
    assert!(matches!(swapped.judge(&differs(&[(FRAME_1, hash()), (FRAME_2, hash())])), Judged::Noticed(_)));
    assert!(matches!(swapped.judge(&differs(&[(FRAME_1, hash())])), Judged::Overlooked(_)));
    assert!(matches!(swapped.judge(&differs(&[])), Judged::Overlooked(_)));
    assert!(matches!(
        swapped.judge(&differs(&[(FRAME_1, hash()), (FRAME_2, hash()), (STACK, hash())])),
        Judged::Unclear(_)
    ));
    let unread = DifferenceKind::NotHashed { reason: "no".into() };
    assert!(matches!(Damage::FlippedBit.judge(&differs(&[(STACK, unread)])), Judged::Unclear(_)));
    assert!(matches!(Damage::Missing.judge(&differs(&[(ONE, hash())])), Judged::Unclear(_)));
}
