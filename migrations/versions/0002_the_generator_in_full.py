"""The generator in full"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
import models.base

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_item_state_name", "item", ["state", "name"])
    op.create_table('replay',
    sa.Column('id', models.base.Identity, nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('key', sa.String(length=200), nullable=False),
    sa.Column('subject_type', sa.String(length=40), nullable=False),
    sa.Column('fingerprint', sa.String(length=64), nullable=False),
    sa.Column('subject_id', sa.BigInteger(), nullable=False),
    sa.Column('at', models.base.Moment(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_replay')),
    sa.UniqueConstraint('account_id', 'key', name=op.f('uq_replay_account_id_key')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('replay', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_replay_at'), ['at'], unique=False)

    op.create_table('draft',
    sa.Column('id', models.base.Identity, nullable=False),
    sa.Column('owner_id', sa.Integer(), nullable=False),
    sa.Column('subject_type', sa.String(length=40), nullable=False),
    sa.Column('subject_id', sa.BigInteger(), nullable=False),
    sa.Column('label', sa.String(length=300), nullable=False),
    sa.Column('saved_at', models.base.Moment(), nullable=False),
    sa.Column('typed', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['owner_id'], ['ab_user.id'], name=op.f('fk_draft_owner_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_draft')),
    sa.UniqueConstraint('owner_id', 'subject_type', 'subject_id', name=op.f('uq_draft_owner_id_subject_type_subject_id')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('draft', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_draft_saved_at'), ['saved_at'], unique=False)

    op.create_table('saved_view',
    sa.Column('id', models.base.Identity, nullable=False),
    sa.Column('owner_id', sa.Integer(), nullable=False),
    sa.Column('subject_type', sa.String(length=40), nullable=False),
    sa.Column('name', sa.String(length=60), nullable=False),
    sa.Column('query', sa.Text(), nullable=True),
    sa.Column('chosen', sa.JSON(none_as_null=True), nullable=True),
    sa.Column('shared_with', sa.Enum('administrator', 'management', 'clerk', 'approver', 'auditor', name='role', native_enum=False, create_constraint=True, length=40), nullable=True),
    sa.Column('created_at', models.base.Moment(), nullable=False),
    sa.Column('created_by_id', sa.Integer(), nullable=True),
    sa.Column('changed_at', models.base.Moment(), nullable=False),
    sa.Column('changed_by_id', sa.Integer(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['owner_id'], ['ab_user.id'], name=op.f('fk_saved_view_owner_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_saved_view')),
    sa.UniqueConstraint('owner_id', 'subject_type', 'name', name=op.f('uq_saved_view_owner_id_subject_type_name')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('saved_view', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_saved_view_subject_type'), ['subject_type'], unique=False)

    op.create_table('token',
    sa.Column('id', models.base.Identity, nullable=False),
    sa.Column('owner_id', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=80), nullable=False),
    sa.Column('access', sa.Enum('read', 'full', name='tokenaccess', native_enum=False, create_constraint=True, length=40), nullable=False),
    sa.Column('registries', sa.String(length=400), nullable=True),
    sa.Column('expires_at', models.base.Moment(), nullable=False),
    sa.Column('start', sa.String(length=12), nullable=True),
    sa.Column('secret_hash', sa.String(length=64), nullable=True),
    sa.Column('last_used_at', models.base.Moment(), nullable=True),
    sa.Column('state', sa.Enum('active', 'revoked', name='tokenstate', native_enum=False, create_constraint=True, length=40), nullable=False),
    sa.Column('created_at', models.base.Moment(), nullable=False),
    sa.Column('created_by_id', sa.Integer(), nullable=True),
    sa.Column('changed_at', models.base.Moment(), nullable=False),
    sa.Column('changed_by_id', sa.Integer(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['owner_id'], ['ab_user.id'], name=op.f('fk_token_owner_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_token')),
    sa.UniqueConstraint('owner_id', 'name', name=op.f('uq_token_owner_id_name')),
    sa.UniqueConstraint('secret_hash', name=op.f('uq_token_secret_hash')),
    sqlite_autoincrement=True
    )


def downgrade() -> None:
    op.drop_index("ix_item_state_name", "item")
    op.drop_table('token')
    with op.batch_alter_table('saved_view', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_saved_view_subject_type'))

    op.drop_table('saved_view')
    with op.batch_alter_table('draft', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_draft_saved_at'))

    op.drop_table('draft')
    with op.batch_alter_table('replay', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_replay_at'))

    op.drop_table('replay')
