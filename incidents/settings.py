"""What a team may tune about incidents and pages; every default says where it comes from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """Settings of the incident desk. Seconds unless the name says otherwise."""

    quiet_seconds: float = 600.0
    """Without findings for so long, an incident is resolved. Our judgement: one burn-rate short
    window of five minutes, twice."""
    mitigated_seconds: float = 90.0
    """Without findings for so long, an open incident counts as mitigated. Our judgement."""
    reopen_seconds: float = 3600.0
    """The same fault within so long reopens its incident instead of opening another one."""
    flap_factor: float = 2.0
    """Each reopening multiplies the quiet period by this, so that a flapping fault stays one
    open incident instead of many pages."""
    max_quiet_seconds: float = 14400.0
    """The longest quiet period that flapping may lead to."""
    vanished_seconds: float = 86400.0
    """A thing that vanished without a replacement keeps its incident open so long, and then the
    incident expires, saying so."""
    manual_grace_seconds: float = 300.0
    """After a person resolved an incident its findings may linger so long before they reopen it."""
    sibling_seconds: float = 3600.0
    """The same failure mode on a sibling within so long joins the open incident."""
    hall_seconds: float = 900.0
    """GPUs of other nodes that begin to throttle within so long share their air or power. A room
    without cooling warms by a degree or more a minute, so that its nodes follow each other within
    minutes; our judgement."""
    slack_seconds: float = 300.0
    """How much later than its symptom a cause may be dated: detectors look through windows of up
    to five minutes."""
    change_before_seconds: float = 1800.0
    """A change up to so long before the onset is a suspect. Half an hour covers a rollout that
    shifts traffic step by step; our judgement."""
    change_after_seconds: float = 300.0
    """A change dated up to so long after the onset may still be its cause (windows again)."""
    refresh_seconds: float = 60.0
    """How often impact and evidence of a lasting incident are brought up to date."""
    persistence_seconds: float = 120.0
    """A critical finding of one family that is no event pages after so long; sooner when a second
    family agrees. Two minutes is the short end of the multiwindow burn alerts of Google's SRE
    workbook, chapter 5."""
    ticket_seconds: float = 300.0
    """A ticket is told when its incident has been open for so long, a page at once: what becomes
    a page in its first minutes is told as a page, and only once. Five minutes is how long tickets
    of the usual Prometheus rules wait (`for: 5m`), and longer than any page waits here."""
    max_pages_per_week: int = 14
    """Pages the whole fleet may cause in seven days: two a day, the limit of Google's SRE book
    (chapter 11). Beyond it only events and money page."""
    slo_target: float = 0.99
    """Share of user calls that must succeed, and of first tokens that must come in time; burn is
    what fails or comes late over what is left of it. The objective of the latency_burn rule."""
    slo_days: float = 30.0
    """Over how many days the error budget is counted: the Site Reliability Workbook's window."""
    learnt_from_days: float = 35.0
    """How long a past incident still keeps detectors from learning its hours as normal: five
    weeks of "the same hour of the week"."""
    max_evidence: int = 40
    """Evidence records one incident keeps."""
    runbook_base: str = ""
    """URL of the folder of runbooks (`docs/runbooks` wherever it is published); empty: no link."""
