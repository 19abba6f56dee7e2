//! What the lists of a run's page show, as it stands in its address: which files, which lines of the log.

use crate::href;
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
        for (key, value) in href::pairs(search) {
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
        let mut pairs = Vec::new();
        let mut push = |key: &str, value: &str| pairs.push(format!("{key}={}", href::encode_value(value)));
        if !self.files.text.is_empty() {
            push("file", &self.files.text);
        }
        if let Some(state) = self.files.state {
            push("files", state.as_str());
        }
        if self.files.offset > 0 {
            push("from", &self.files.offset.to_string());
        }
        if !self.log.text.is_empty() {
            push("log", &self.log.text);
        }
        if let Some(level) = self.log.level {
            push("level", level.as_str());
        }
        let page = href::run_page(run);
        if pairs.is_empty() { page } else { format!("{page}?{}", pairs.join("&")) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

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
