"""The two sites."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from benchmarks.django_side.admin import suggest

urlpatterns = [path("admin/", admin.site.urls), path("suggest/", suggest.urls)]
