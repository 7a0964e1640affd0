"""The same columns, references and indexes as the other sides."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from models.catalogue_item import ExerciseLevel, ItemType
from models.item import ItemState


def choices(members: type[ItemType | ExerciseLevel | ItemState]) -> list[tuple[str, str]]:
    return [(m.value, m.name) for m in members]


class Department(models.Model):
    name = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.name


class LegalBasis(models.Model):
    title = models.CharField(max_length=200)
    article = models.CharField(max_length=60)

    def __str__(self) -> str:
        return f"{self.title}{self.article}"


class CatalogueItem(models.Model):
    name = models.CharField(max_length=300)
    basic_code = models.CharField(max_length=12, unique=True)

    def __str__(self) -> str:
        return self.name


class Item(models.Model):
    name = models.CharField(max_length=300, db_index=True)
    department = models.ForeignKey(Department, on_delete=models.PROTECT, db_index=False)
    catalogue_item = models.ForeignKey(CatalogueItem, on_delete=models.PROTECT, null=True, blank=True)
    legal_basis = models.ForeignKey(LegalBasis, on_delete=models.PROTECT, null=True, blank=True)
    item_type = models.CharField(max_length=40, choices=choices(ItemType))
    level = models.CharField(max_length=40, choices=choices(ExerciseLevel), null=True, blank=True)
    basic_code = models.CharField(max_length=12, null=True, blank=True)
    national_code = models.CharField(max_length=31, null=True, blank=True)
    local_code = models.CharField(max_length=80, unique=True)
    statutory_days = models.IntegerField(null=True, blank=True)
    promise_days = models.IntegerField(null=True, blank=True)
    phone = models.CharField(max_length=60, null=True, blank=True)
    address = models.CharField(max_length=200, null=True, blank=True)
    state = models.CharField(max_length=40, choices=choices(ItemState))
    gap_count = models.IntegerField(default=0, db_index=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["name", "id"]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["department", "name"])]

    def __str__(self) -> str:
        return self.name
