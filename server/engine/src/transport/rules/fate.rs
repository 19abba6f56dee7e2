//! What becomes of a file that is to be sent, by what stands under its name at the destination.

use domain::path::{FilePath, RunPath, escape_bytes};
use domain::proof::FileStat;

/// What stands under a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    Nothing,
    File {
        /// It has the size that was sealed.
        same_size: bool,
        /// It has the time that was sealed, as far as the destination keeps times.
        same_time: bool,
    },
    /// A folder, which holds what is somebody's, or something that this way to the destination cannot move.
    Folder,
    /// A link, a device, a socket.
    Other,
}

/// What arrived whole, as far as can be told without reading it.
pub const EQUAL: Standing = Standing::File { same_size: true, same_time: true };

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It counts as sent: verification says what it holds, and asks for it again where that is wrong.
    Sent,
    Send,
    /// What stands there is ours, or stands where ours stood: it moves aside, then the file is sent.
    SendAfterAside,
    /// What stands there is not ours, and stays.
    Conflict,
}

/// `again`: what stands there was found wrong, whatever its size and time. `ours`: whether our own records say that we
/// put a file of that name there in this life; asked only where it decides.
pub fn fate<E>(standing: Standing, again: bool, ours: impl FnOnce() -> Result<bool, E>) -> Result<Fate, E> {
    let decided = match standing {
        Standing::Nothing => Fate::Send,
        Standing::File { same_size: true, same_time: true } if !again => Fate::Sent,
        Standing::Folder => Fate::Conflict,
        Standing::File { same_size, .. } => match ours()? {
            true => Fate::SendAfterAside,
            // A stranger of the same size may hold the same bytes: an earlier life may have put it there.
            false if same_size && !again => Fate::Sent,
            false => Fate::Conflict,
        },
        Standing::Other => match ours()? {
            true => Fate::SendAfterAside,
            false => Fate::Conflict,
        },
    };
    Ok(decided)
}

/// Whether a time in whole seconds is the sealed one. `fraction`: the destination showed parts of a second; without, it
/// may hold even seconds alone, as FAT does.
pub fn same_second(seconds: i64, fraction: bool, sealed: &FileStat) -> bool {
    let sent = sealed.mtime_ns.div_euclid(1_000_000_000);
    seconds == sent || (!fraction && seconds == sent - sent.rem_euclid(2))
}

/// Another's file stands under the name.
pub fn is_another(path: &FilePath) -> String {
    format!("{path} is a different file there")
}

/// Something came under the name between the look and the placing.
pub fn has_appeared(path: &FilePath) -> String {
    format!("{path} appeared there just now")
}

/// Something that is no folder stands where one must be.
pub fn no_folder(run: &RunPath, folder: &[u8]) -> String {
    format!("{}/{} is not a plain folder there", run.below_equipment(), escape_bytes(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const OTHER_TIME: Standing = Standing::File { same_size: true, same_time: false };
    const OTHER_SIZE: Standing = Standing::File { same_size: false, same_time: true };

    #[rstest]
    // What stands there, sent again, ours.
    #[case(Standing::Nothing, false, false, Fate::Send)]
    #[case(Standing::Nothing, true, true, Fate::Send)]
    #[case(EQUAL, false, false, Fate::Sent)]
    #[case(EQUAL, false, true, Fate::Sent)]
    #[case(EQUAL, true, false, Fate::Conflict)]
    #[case(EQUAL, true, true, Fate::SendAfterAside)]
    #[case(OTHER_TIME, false, false, Fate::Sent)]
    #[case(OTHER_TIME, false, true, Fate::SendAfterAside)]
    #[case(OTHER_TIME, true, false, Fate::Conflict)]
    #[case(OTHER_SIZE, false, false, Fate::Conflict)]
    #[case(OTHER_SIZE, false, true, Fate::SendAfterAside)]
    #[case(OTHER_SIZE, true, true, Fate::SendAfterAside)]
    #[case(Standing::Folder, false, true, Fate::Conflict)]
    #[case(Standing::Folder, true, false, Fate::Conflict)]
    #[case(Standing::Other, false, false, Fate::Conflict)]
    #[case(Standing::Other, true, true, Fate::SendAfterAside)]
    fn what_stands_there_decides(
        #[case] standing: Standing,
        #[case] again: bool,
        #[case] ours: bool,
        #[case] expected: Fate,
    ) {
        assert_eq!(fate(standing, again, || Ok::<_, ()>(ours)), Ok(expected));
    }

    #[test]
    fn nobody_is_asked_where_it_decides_nothing() {
        for (standing, again) in [(Standing::Nothing, true), (EQUAL, false), (Standing::Folder, false)] {
            fate(standing, again, || Err("asked")).unwrap();
        }
        assert_eq!(fate(OTHER_TIME, false, || Err("asked")), Err("asked"));
    }

    #[rstest]
    #[case(1_500_000_001, true, true)]
    #[case(1_500_000_000, true, false)]
    #[case(1_500_000_000, false, true)]
    #[case(1_500_000_002, false, false)]
    fn v12_a_destination_may_hold_even_seconds_alone(#[case] there: i64, #[case] fraction: bool, #[case] same: bool) {
        let sealed = FileStat { size: 1, mtime_ns: 1_500_000_001_999_999_999, ctime_ns: 0, inode: 0 };
        assert_eq!(same_second(there, fraction, &sealed), same);
    }
}
