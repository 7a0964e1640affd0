"""Two sites over the same model: its fields as they come, and with ``autocomplete_fields`` for the references."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from benchmarks.django_side.models import CatalogueItem, Department, Item, LegalBasis
from benchmarks.stock import CHANGED, COLUMNS, FIELDS


class ItemAdmin(admin.ModelAdmin):
    list_display = COLUMNS
    list_select_related = ("department",)
    list_filter = ("state", "item_type")
    search_fields = ("name", "local_code", "national_code")
    list_per_page = 25

    def get_fields(self, request: Any, obj: Any = None) -> tuple[str, ...]:
        """All three references for a new row; on a change none of the sides offers the department."""
        if obj is None:
            return FIELDS
        return CHANGED if self.has_change_permission(request, obj) else (*FIELDS, "state", "gap_count")


class SuggestAdmin(ItemAdmin):
    autocomplete_fields = ("department", "catalogue_item", "legal_basis")


class NameAdmin(admin.ModelAdmin):
    search_fields = ("name",)


class BasisAdmin(admin.ModelAdmin):
    search_fields = ("title", "article")


suggest = admin.AdminSite(name="suggest")
for site, items in ((admin.site, ItemAdmin), (suggest, SuggestAdmin)):
    site.register(Item, items)
    site.register((Department, CatalogueItem), NameAdmin)
    site.register(LegalBasis, BasisAdmin)
