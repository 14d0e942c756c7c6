"""Whether a data set is what it seems: duplicates, label errors, shifts, shortcuts, groups."""

from keras_transfer.auditing.audit_figure import plot_audit
from keras_transfer.auditing.auditor import audit
from keras_transfer.auditing.duplicates import near_duplicates
from keras_transfer.auditing.groups import groups_from_csv
from keras_transfer.auditing.mislabeling import label_errors
from keras_transfer.auditing.shifts import domain_shift
from keras_transfer.auditing.shortcuts import confounds

__all__ = [
    "audit",
    "confounds",
    "domain_shift",
    "groups_from_csv",
    "label_errors",
    "near_duplicates",
    "plot_audit",
]
