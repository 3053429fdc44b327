"""Write each barrier as its list of actions. README.md says how; replace each todo(...)."""

from gcsim.learn import todo


def barriers() -> dict[str, list[str]]:
    """The actions of `slot = ptr`, in order: of "hybrid", "dijkstra", "yuasa", "steele", "none"."""
    todo("write the five lists")


def rescan() -> set[str]:
    """Which of the five lose objects unless stacks are scanned again at the end of marking?

    "none" is not asked about: it loses them either way.
    """
    todo("name those that ask for a second scan")


def stacks_first() -> set[str]:
    """Which lose objects if stacks are scanned one by one while the program runs, even so?

    "none" is not asked about.
    """
    todo("name those that need all stacks scanned in one stop")
