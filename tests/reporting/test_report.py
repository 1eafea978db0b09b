"""The report: complete, readable without a network, and safe against odd names."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_example import make_class_rows, make_content, make_rows

from glioframe.evaluation.evaluate import evaluate
from glioframe.reporting.questions import answers_to, questions_in
from glioframe.reporting.report import ReportContent, render_report, write_report
from glioframe.task_api.task import ReportSection

PIXEL_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c020000000b4944415478da6364f80f0001050101270e"
    "e1f90000000049454e44ae426082"
)


class Page(HTMLParser):
    """Every tag with its attributes, and the visible text."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.words = []
        self.open = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    section = ReportSection(title="Learning", text="It went down.", figures_png=((PIXEL_PNG, "The loss."),))
    return make_content(tmp_path_factory.mktemp("cases"), num_resamples=200, sections=(section,))


@pytest.fixture(scope="module")
def text(content):
    return render_report(content)


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_the_page_refers_to_nothing_outside_of_itself(text, page):
    assert "http://" not in text
    assert "https://" not in text
    assert not page.all("script")
    assert not page.all("link")
    assert not page.all("iframe")
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "srcset", "action", "poster"):
            value = attributes.get(name, "#")
            assert value.startswith(("#", "data:image/")), (tag, name, value[:80])
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert page.all("meta")[2]["content"].startswith("default-src 'none'")


def test_every_link_leads_to_a_section(page):
    identifiers = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = [attributes["href"][1:] for attributes in page.all("a")]
    assert links
    assert set(links) <= identifiers


def test_no_identifier_is_used_twice(page):
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(identifiers)) == len(identifiers)


def test_every_picture_has_words_and_every_table_a_caption(page):
    assert all(attributes.get("alt") for attributes in page.all("img"))
    assert all(attributes.get("aria-label") for attributes in page.all("svg"))
    assert len(page.all("caption")) == len(page.all("table"))


def test_the_headline_tells_auc_interval_and_cases(content, page):
    auc = content.evaluation.primary.metrics.auc
    low, high = auc.ci95
    sentence = (
        f"AUC {auc.value:.2f} (95 % interval {low:.2f} to {high:.2f}) in 24 cross-validated cases of 24 patients "
        "(12 with progression)."
    )
    assert sentence in page.text


def test_every_remark_metric_reason_notice_and_environment_entry_is_on_the_page(content, page):
    wanted = [*content.notices, *content.environment.values(), *content.plan.reasons.values(), content.splits_hash]
    for group in content.evaluation.groups:
        if not group.site:
            wanted += group.remarks
            for name in ("auc", "auprc", "brier", "ece", "precision"):
                wanted.append(f"{getattr(group.metrics, name).value:.2f}")
    for words in wanted:
        assert words in page.text, words


def test_sites_external_cases_dataset_and_task_sections_are_on_the_page(page):
    for words in ("External validation", "Nancy", "Paris", "20 of 24", "Lesion volumes", "It went down.", "The loss."):
        assert words in page.text, words


def test_the_gallery_shows_at_most_24_cases_and_the_table_all(page):
    pictures = [attributes for attributes in page.all("img") if "jpeg" in attributes["src"][:30]]
    assert len(pictures) == 24
    assert "24 of 32 cases are shown" in page.text
    assert all(f"case{index:03d}" in page.text for index in range(32))


def test_wrong_calls_come_first_and_the_surest_error_foremost():
    (question,) = questions_in(make_rows(strength=0.2), None)
    answers = answers_to(question)
    verdicts = [answer.verdict for answer in answers]
    assert verdicts == sorted(verdicts, key=("wrong", "right", "unknown").index)
    wrong = [answer.error for answer in answers if answer.verdict == "wrong"]
    assert len(wrong) > 3
    assert wrong == sorted(wrong, reverse=True)
    for answer in answers:
        ((_, probability),) = answer.probabilities
        assert answer.call == ("positive" if probability >= answer.operating_point else "negative")


def test_several_classes_get_a_section_each_and_a_table_of_the_most_probable_class(tmp_path):
    rows = make_class_rows(12)
    right = 0
    for index in range(12):
        own = [row for row in rows if row.case_id == f"case{index:03d}"]
        right += max(own, key=lambda row: row.probability).reference
    page = Page(render_report(make_content(tmp_path, rows=rows, num_resamples=50)))
    assert f"The most probable class is the reference in {right} of 12 cases." in page.text
    for name in ("oligodendroglioma", "astrocytoma", "glioblastoma"):
        assert f"{name} against the rest" in page.text


def test_names_from_tables_cannot_become_markup(tmp_path):
    attack = '<script>alert("x")</script>'
    rows = [replace(row, site=attack, model=attack, subject_id=attack + row.subject_id) for row in make_rows(8)]
    content = ReportContent(
        title=attack, rows=rows, evaluation=evaluate(rows, num_resamples=20), environment={attack: attack}
    )
    text = render_report(content)
    assert "<script" not in text
    assert attack in Page(text).text


def test_predictions_without_references_make_a_page_too(tmp_path):
    rows = [replace(row, reference=None) for row in make_rows(4, num_external=4)]
    content = ReportContent(title="new cases", rows=rows, evaluation=evaluate(rows), environment={})
    page = Page(render_report(content))
    assert "4 cases have a prediction but no reference" in page.text
    assert "Predictions without a reference" in page.text
    assert "reference unknown" in page.text
    for words in ("External validation", "Cross-validation", "undefined", "AUC"):
        assert words not in page.text


def test_a_single_case_without_a_reference_is_counted_as_one(tmp_path):
    rows = [replace(row, reference=None) for row in make_rows(0, num_external=1)]
    content = ReportContent(title="a new case", rows=rows, evaluation=evaluate(rows), environment={})
    text = Page(render_report(content)).text
    assert "1 case has a prediction but no reference" in text
    assert "1 cases" not in text


def test_one_case_of_a_class_is_one_case(tmp_path):
    rows = make_rows(9, num_external=0)
    rows = [replace(row, reference=int(index == 0)) for index, row in enumerate(rows)]
    content = ReportContent(title="rare", rows=rows, evaluation=evaluate(rows, num_resamples=20), environment={})
    assert "1 cases" not in Page(render_report(content)).text


def test_one_class_alone_makes_a_page_without_an_roc_curve(tmp_path):
    rows = [replace(row, reference=1) for row in make_rows(8, num_external=0)]
    content = ReportContent(title="one class", rows=rows, evaluation=evaluate(rows, num_resamples=20), environment={})
    page = Page(render_report(content))
    assert "ROC curve" not in page.text
    assert "undefined" in page.text


def test_a_case_without_preprocessed_images_gets_a_card_without_a_picture(tmp_path):
    rows = make_rows(4, num_external=0)
    content = make_content(tmp_path, rows=rows, num_resamples=20)
    (tmp_path / "case001.json").unlink()
    page = Page(render_report(content))
    assert len(page.all("img")) == 3


def test_equal_content_gives_equal_bytes(content, tmp_path):
    few = replace(content, preprocessed_folder=None)
    write_report(few, tmp_path / "a.html")
    write_report(few, tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_the_file_stays_small(text):
    assert len(text) < 8_000_000


def test_the_templates_are_part_of_the_package():
    templates = Path(render_report.__code__.co_filename).parent / "templates"
    assert {path.name for path in templates.iterdir()} >= {"report.html.j2", "style.css.j2"}
