//! What follows from what, second by second.

use super::*;

const LOST: Effect = Effect::Say("Connection lost. Nothing can be started until it is back.");

fn status(seq: u64, version: &str) -> Box<PanelStatus> {
    Box::new(PanelStatus { version: version.to_owned(), seq, ..PanelStatus::default() })
}

fn gone(seq: u64) -> Event {
    Event::Gone { seq, run_path: "E/P/Runs/Run_1".to_owned() }
}

/// A page that came with a header, its stream open since the first second; the number of its try.
fn open() -> (Connection, u32) {
    let mut connection = Connection::default();
    let [Effect::Open { since: 7, try_number }] = connection.step(0, Input::Started(Some((7, "1".to_owned()))))[..]
    else {
        panic!("it opens the stream behind what it came with");
    };
    assert_eq!(connection.step(0, Input::Opened(try_number)), [Effect::ShowLive]);
    (connection, try_number)
}

fn second(connection: &mut Connection, now: i64) -> Vec<Effect> {
    connection.step(now, Input::Second { order_held_until: 0 })
}

#[test]
fn a_page_without_a_header_asks_first_and_opens_from_there() {
    let mut connection = Connection::default();
    assert_eq!(connection.step(0, Input::Started(None)), [Effect::AskStatus(1)]);
    assert_eq!(connection.step(0, Input::ListWanted { is_whole: false }), [Effect::AskList]);
    let found = connection.step(1, Input::Status(1, Some(status(9, "1"))));
    let expected = [
        Effect::Outdated(false),
        Effect::TakeStatus(status(9, "1")),
        Effect::Open { since: 9, try_number: 2 },
        Effect::AskList,
    ];
    assert_eq!(found, expected);
}

#[test]
fn tries_come_later_and_later_and_are_counted_down() {
    let (mut connection, mut try_number) = open();
    let (mut now, mut waits) = (0, Vec::new());
    for lost in 0..8 {
        let effects =
            connection.step(now, if lost == 0 { Input::Broken(try_number) } else { Input::Status(try_number, None) });
        assert_eq!((effects[0] == Effect::Close, effects.contains(&LOST)), (true, lost == 0), "said once: {effects:?}");
        let Effect::ShowBroken(wait) = effects[1] else { panic!("{effects:?}") };
        waits.push(wait);
        for left in (0..wait).rev() {
            now += 1;
            let effects = second(&mut connection, now);
            assert_eq!(effects[0], Effect::ShowBroken(left));
            assert_eq!(effects.len() > 1, left == 0, "{effects:?}");
            if let Some(Effect::AskStatus(of)) = effects.last() {
                try_number = *of;
            }
        }
    }
    assert_eq!(waits, [1, 2, 4, 8, 15, 30, 30, 30]);
    connection.step(now, Input::Status(try_number, Some(status(50, "2"))));
    let again = connection.step(now, Input::Opened(try_number + 1));
    assert_eq!(again, [Effect::ShowLive, Effect::Say("Connected again.")]);
    assert_eq!(second(&mut connection, now + 1), []);
}

#[test]
fn a_server_of_another_version_is_told_as_such() {
    let (mut connection, try_number) = open();
    connection.step(1, Input::Broken(try_number));
    let [_, Effect::AskStatus(of)] = connection.step(1, Input::RetryNow)[..] else { panic!("it tries at once") };
    assert_eq!(connection.step(2, Input::Status(of, Some(status(3, "2"))))[0], Effect::Outdated(true));
}

#[test]
fn what_a_try_that_was_given_up_says_later_counts_for_nothing() {
    let (mut connection, old) = open();
    connection.step(1, Input::Broken(old));
    connection.step(1, Input::RetryNow);
    let stale = [
        Input::Opened(old),
        Input::Heard(old, Box::new(gone(99))),
        Input::Noise(old),
        Input::Broken(old),
        Input::Status(old, Some(status(99, "1"))),
        Input::Checked(old, None),
        Input::Checked(old, Some(99)),
    ];
    for input in stale {
        assert_eq!(connection.step(2, input), []);
    }
    assert_eq!(connection.last_seq, 7);
}

#[test]
fn events_wait_for_the_list_and_are_applied_after_it() {
    let (mut connection, of) = open();
    assert_eq!(connection.step(1, Input::ListWanted { is_whole: false }), [Effect::AskList]);
    assert_eq!(connection.step(1, Input::ListWanted { is_whole: false }), [], "it is on its way");
    assert_eq!(connection.step(1, Input::Heard(of, Box::new(gone(8)))), [Effect::AskFrame]);
    assert_eq!(connection.step(1, Input::Heard(of, Box::new(gone(9)))), [], "one frame for both");
    assert_eq!(connection.step(1, Input::Frame), [], "the list is not here yet");
    assert_eq!(connection.step(2, Input::List(ListAnswer::Came)), [Effect::Apply(vec![gone(8), gone(9)])]);
    assert_eq!(connection.step(3, Input::Frame), []);
}

#[test]
fn a_list_that_was_refused_is_asked_for_again_and_one_without_answer_is_not() {
    for (answer, again) in [(ListAnswer::Refused, true), (ListAnswer::NoAnswer, false), (ListAnswer::Came, false)] {
        let (mut connection, _) = open();
        connection.step(1, Input::Reload);
        connection.step(1, Input::List(answer));
        assert_eq!(second(&mut connection, 3), []);
        assert_eq!(second(&mut connection, 4) == [Effect::AskList], again, "{answer:?}");
    }
}

#[test]
fn a_silent_stream_is_looked_into_and_given_up_when_the_server_has_gone_on() {
    let (mut connection, of) = open();
    assert_eq!(second(&mut connection, 25), []);
    assert_eq!(second(&mut connection, 26), [Effect::CheckSilence(of)]);
    // Nothing happened there either.
    assert_eq!(connection.step(26, Input::Checked(of, Some(7))), []);
    assert_eq!(second(&mut connection, 40), []);
    // It has gone on; what comes in time is well.
    connection.step(41, Input::Checked(of, Some(8)));
    connection.step(43, Input::Heard(of, Box::new(gone(8))));
    assert_eq!(second(&mut connection, 50), []);
    // Nothing comes.
    connection.step(51, Input::Checked(of, Some(12)));
    assert_eq!(second(&mut connection, 54), []);
    assert_eq!(second(&mut connection, 55), [Effect::Close, Effect::ShowBroken(1), LOST]);
    // Once: then it is tried again, and that try is left alone.
    let [Effect::ShowBroken(0), Effect::ShowBroken(0), Effect::AskStatus(tried)] = second(&mut connection, 56)[..]
    else {
        panic!("it tries again");
    };
    assert_eq!(second(&mut connection, 57), [Effect::ShowBroken(0)]);
    assert!(matches!(
        connection.step(58, Input::Status(tried, Some(status(12, "1"))))[2],
        Effect::Open { since: 12, .. }
    ));
    // A sign of life that is not understood is one.
    let (mut connection, of) = open();
    connection.step(20, Input::Noise(of));
    assert_eq!(second(&mut connection, 45), []);
    connection.step(46, Input::Checked(of, None));
    assert!(connection.is_broken);
}

#[test]
fn the_order_on_the_screen_waits_for_whoever_reads_it() {
    let (mut connection, _) = open();
    assert_eq!(connection.step(1, Input::Applied { shift: Shift::Order, reset: false }), []);
    assert_eq!(connection.step(2, Input::Second { order_held_until: 5 }), []);
    assert_eq!(connection.step(5, Input::Second { order_held_until: 5 }), [Effect::Reselect]);
    assert_eq!(second(&mut connection, 6), []);
    connection.step(7, Input::Applied { shift: Shift::Order, reset: false });
    let at_once = connection.step(7, Input::Applied { shift: Shift::Membership, reset: false });
    assert_eq!((at_once, second(&mut connection, 8)), (vec![Effect::Reselect], vec![]));
}

#[test]
fn after_a_gap_everything_that_is_shown_is_asked_anew() {
    let (mut connection, of) = open();
    connection.step(1, Input::Heard(of, Box::new(gone(40))));
    connection.step(1, Input::Heard(of, Box::new(Event::Reset { seq: 3 })));
    assert_eq!(connection.last_seq, 3, "the server counts from there");
    let reset = || Input::Applied { shift: Shift::None, reset: true };
    assert_eq!(connection.step(1, reset()), [Effect::AskHeader]);
    connection.step(1, Input::ListWanted { is_whole: true });
    assert_eq!(connection.step(1, reset()), [Effect::AskList, Effect::AskHeader]);
}

#[test]
fn a_broken_link_says_whether_the_browser_has_a_network() {
    assert_eq!(broken_link(4, true), Link::Retrying { seconds: 4 });
    assert_eq!(broken_link(4, false), Link::Offline);
}
