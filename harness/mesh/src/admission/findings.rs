//! Errors and warnings of a validation, put together as Istio does.

/// What a validation found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    errors: Vec<String>,
    /// One error alone is shown as a list too (`multierror.Append` of Go where it was first put into one).
    listed: bool,
    pub(crate) warnings: Vec<String>,
}

impl Findings {
    pub(crate) fn of_error(error: String) -> Self {
        Self {
            errors: vec![error],
            ..Self::default()
        }
    }

    pub(crate) fn error(&self) -> Option<String> {
        match self.errors.as_slice() {
            [] => None,
            [one] if !self.listed => Some(one.clone()),
            [one] => Some(format!("1 error occurred:\n\t* {one}\n\n")),
            many => {
                let lines = many.join("\n\t* ");
                Some(format!("{} errors occurred:\n\t* {lines}\n\n", many.len()))
            }
        }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    /// An error that is shown as a list even where it is the only one.
    pub(crate) fn fail_listed(&mut self, error: impl Into<String>) {
        self.listed = true;
        self.errors.push(error.into());
    }

    pub(crate) fn fail(&mut self, error: impl Into<String>) {
        self.errors.push(error.into());
    }

    pub(crate) fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    pub(crate) fn check(&mut self, result: Result<(), String>) {
        if let Err(error) = result {
            self.fail(error);
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.listed |= other.listed;
        self.errors.extend(other.errors);
        self.warnings.extend(other.warnings);
    }

    /// Adds the errors of `other` and leaves its warnings, as Istio does on some ways.
    pub(crate) fn add_errors(&mut self, other: Self) {
        self.add(Self {
            warnings: Vec::new(),
            ..other
        });
    }

    /// The same with a text before each error.
    pub(crate) fn prefixed(mut self, prefix: &str) -> Self {
        for error in &mut self.errors {
            *error = format!("{prefix} {error}");
        }
        self
    }
}
