"""Namespaces, and which selectors take them."""

from collections.abc import Iterable

from portway.model import Labels, LabelSelector, Namespace
from portway.policy.ends import NAME_LABEL

Scope = str | LabelSelector
"""The name of one namespace, or a selector of many."""


class Namespaces:
    """Answers are remembered; a change says which of the selectors in use it turned round."""

    def __init__(self) -> None:
        self.by_name: dict[str, Namespace] = {}
        self._uses: dict[LabelSelector, int] = {}
        self._answers: dict[LabelSelector, dict[str, bool]] = {}

    def hold(self, selector: LabelSelector) -> None:
        """Somebody (more) asks with this selector."""
        self._uses[selector] = self._uses.get(selector, 0) + 1
        self._answers.setdefault(selector, {})

    def release(self, selector: LabelSelector) -> None:
        """Somebody does no more."""
        self._uses[selector] -= 1
        if not self._uses[selector]:
            del self._uses[selector], self._answers[selector]

    def takes(self, selector: LabelSelector, name: str) -> bool:
        """Whether a selector in use takes the namespace."""
        answers = self._answers[selector]
        found = answers.get(name)
        if found is None:
            found = answers[name] = selector.matches(self._labels(name))
        return found

    def _labels(self, name: str) -> Labels:
        """Of one that is not known (yet), only the label of its name."""
        namespace = self.by_name.get(name)
        return namespace.labels if namespace else {NAME_LABEL: name}

    def put(self, name: str, namespace: Namespace | None) -> Iterable[LabelSelector]:
        """A namespace came or changed, or went (None). The selectors in use whose answer changed."""
        before = self._labels(name)
        if namespace is None:
            self.by_name.pop(name, None)
        else:
            self.by_name[name] = namespace
        now = self._labels(name)
        if before == now:
            return ()
        for answers in self._answers.values():
            answers.pop(name, None)
        return [selector for selector in self._uses if selector.matches(before) != selector.matches(now)]
