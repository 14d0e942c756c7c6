"""Whether the data are what you think they are."""

from keras_transfer.auditing.audit_figure import plot_audit
from keras_transfer.auditing.audited_set import features_in_order
from keras_transfer.auditing.auditor import Audit, audit
from keras_transfer.auditing.class_imbalance import Imbalance, imbalance
from keras_transfer.auditing.duplicate_pair import DuplicatePair
from keras_transfer.auditing.duplicates import NearDuplicates, near_duplicates
from keras_transfer.auditing.finding import Finding
from keras_transfer.auditing.group_accuracies import GroupAccuracy, group_accuracy
from keras_transfer.auditing.group_table import groups_from_csv
from keras_transfer.auditing.image_statistics import picture_statistics
from keras_transfer.auditing.mislabeling import LabelError, LabelErrors, label_errors
from keras_transfer.auditing.shifts import DomainShift, domain_shift
from keras_transfer.auditing.shortcuts import Confounds, Shortcut, confounds

__all__ = [
    "Audit",
    "Confounds",
    "DomainShift",
    "DuplicatePair",
    "Finding",
    "GroupAccuracy",
    "Imbalance",
    "LabelError",
    "LabelErrors",
    "NearDuplicates",
    "Shortcut",
    "audit",
    "confounds",
    "domain_shift",
    "features_in_order",
    "group_accuracy",
    "groups_from_csv",
    "imbalance",
    "label_errors",
    "near_duplicates",
    "picture_statistics",
    "plot_audit",
]
