"""records by time"""

from __future__ import annotations

from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The record of changes is asked for by days."""
    op.create_index("ix_event_at", "event", ["at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_event_at", table_name="event")
