//! What the lists of a run's page show, as it stands in its address: which files, which lines of the log.

use crate::href;
use domain::address;
use domain::api::{FileState, FilesQuery, LogQuery};
use domain::log_line::Level;

/// The query of a run's page.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RunView {
    /// Window of its files.
    pub files: FilesQuery,
    /// Lines of its log.
    pub log: LogQuery,
}

impl RunView {
    /// Reads a query string, with or without `?`. What is not understood is left out.
    pub fn parse(search: &str) -> RunView {
        let mut view = RunView::default();
        for (key, value) in address::pairs(search) {
            match key.as_str() {
                "file" => view.files.text = value,
                "files" => view.files.state = FileState::from_text(&value),
                "from" => view.files.offset = value.parse().unwrap_or(0),
                "log" => view.log.text = value,
                "level" => view.log.level = Level::from_text(&value),
                _ => {}
            }
        }
        view
    }

    /// The address of this view of a run; defaults are left out.
    pub fn href(&self, run: &str) -> String {
        let pairs: Vec<String> = self
            .of_files()
            .into_iter()
            .chain((self.files.offset > 0).then(|| ("from", self.files.offset.to_string())))
            .chain(self.of_log())
            .map(|(key, value)| format!("{key}={}", address::encode_value(&value)))
            .collect();
        let page = href::run_page(run);
        if pairs.is_empty() { page } else { format!("{page}?{}", pairs.join("&")) }
    }

    fn of_files(&self) -> Vec<(&'static str, String)> {
        let text = (!self.files.text.is_empty()).then(|| ("file", self.files.text.clone()));
        text.into_iter().chain(self.files.state.map(|state| ("files", state.as_str().to_owned()))).collect()
    }

    fn of_log(&self) -> Vec<(&'static str, String)> {
        let text = (!self.log.text.is_empty()).then(|| ("log", self.log.text.clone()));
        text.into_iter().chain(self.log.level.map(|level| ("level", level.as_str().to_owned()))).collect()
    }

    /// What the form of one list must send along, so that a page without scripts keeps its view of the other.
    pub fn of_other(&self, list: List) -> Vec<(&'static str, String)> {
        match list {
            List::Files => self.of_log(),
            List::Log => self.of_files(),
        }
    }

    /// Another window of the files.
    #[must_use]
    pub fn with_files(&self, files: FilesQuery) -> RunView {
        RunView { files, ..self.clone() }
    }

    /// Other lines of the log.
    #[must_use]
    pub fn with_log(&self, log: LogQuery) -> RunView {
        RunView { log, ..self.clone() }
    }
}

/// A list of the page, with a form of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum List {
    Files,
    Log,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn a_form_sends_along_what_it_does_not_ask() {
        let view = RunView::parse("file=a&files=late&from=100&log=NAS&level=warn");
        let along = |list| {
            view.of_other(list).into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
        };
        assert_eq!(
            (along(List::Files).as_str(), along(List::Log).as_str()),
            ("log=NAS&level=warn", "file=a&files=late")
        );
        assert!(RunView::default().of_other(List::Log).is_empty());
    }

    #[rstest]
    #[case("", "/runs/E/p/Run_1")]
    #[case("?file=a+b%26c&from=100", "/runs/E/p/Run_1?file=a%20b%26c&from=100")]
    #[case("files=late&x=1", "/runs/E/p/Run_1?files=late")]
    #[case("level=warn&log=NAS%20&files=changed", "/runs/E/p/Run_1?files=changed&log=NAS%20&level=warn")]
    #[case("files=nonsense&from=-3", "/runs/E/p/Run_1")]
    fn addresses_read_back(#[case] search: &str, #[case] written: &str) {
        let view = RunView::parse(search);
        assert_eq!(view.href("E/p/Run_1"), written);
        assert_eq!(RunView::parse(written.split_once('?').map_or("", |(_, search)| search)), view);
    }
}
