//! Any text, made fit for the two places of the base report where text goes.

use crate::text::{one_line, printable};

/// Text for an attribute: one line (XML would fold its line ends anyway), no character that
/// XML 1.0 forbids. Quotes and angle brackets are escaped by the writer.
pub(super) fn attribute(text: &str) -> String {
    one_line(text)
}

/// Text for a CDATA section. A `]]>` in it is split over two sections: readers see it unchanged.
pub(super) fn cdata(text: &str) -> String {
    printable(text).replace("]]>", "]]]]><![CDATA[>")
}
