"""imports and exports"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import models.base

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Batches: what came in and went out as files, and what became of it."""
    op.create_table(
        'batch',
        sa.Column('id', models.base.Identity, nullable=False),
        sa.Column('kind', sa.Enum('import', 'export', name='batchkind', native_enum=False, create_constraint=True, length=40), nullable=False),
        sa.Column('subject_type', sa.String(length=40), nullable=False),
        sa.Column('owner_id', sa.Integer(), nullable=True),
        sa.Column('department_id', models.base.Identity, nullable=True),
        sa.Column('file_name', sa.String(length=200), nullable=False),
        sa.Column('at', models.base.Moment(), nullable=False),
        sa.Column('ended_at', models.base.Moment(), nullable=True),
        sa.Column('state', sa.Enum('uploaded', 'checking', 'checked', 'waiting', 'done', 'refused', 'cancelled', 'failed', 'undoing', 'undone', name='batchstate', native_enum=False, create_constraint=True, length=40), nullable=False),
        sa.Column('mode', sa.Enum('valid', 'whole', name='batchmode', native_enum=False, create_constraint=True, length=40), nullable=False),
        sa.Column('mapping', sa.String(length=60), nullable=True),
        sa.Column('asked', sa.Text(), nullable=True),
        sa.Column('rows', sa.Integer(), nullable=False),
        sa.Column('new', sa.Integer(), nullable=False),
        sa.Column('changed', sa.Integer(), nullable=False),
        sa.Column('unchanged', sa.Integer(), nullable=False),
        sa.Column('proposed', sa.Integer(), nullable=False),
        sa.Column('refused', sa.Integer(), nullable=False),
        sa.Column('warned', sa.Integer(), nullable=False),
        sa.Column('token', sa.String(length=40), nullable=False),
        sa.Column('columns', sa.JSON(none_as_null=True), nullable=True),
        sa.Column('note', sa.JSON(none_as_null=True), nullable=True),
        sa.Column('options', sa.JSON(), nullable=False),
        sa.Column('causes', sa.JSON(none_as_null=True), nullable=True),
        sa.Column('data', sa.LargeBinary(), nullable=True),
        sa.Column('report', sa.LargeBinary(), nullable=True),
        sa.Column('before', sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(['department_id'], ['department.id'], name=op.f('fk_batch_department_id')),
        sa.ForeignKeyConstraint(['owner_id'], ['ab_user.id'], name=op.f('fk_batch_owner_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_batch')),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table('batch') as batch_op:
        batch_op.create_index(batch_op.f('ix_batch_at'), ['at'], unique=False)
        batch_op.create_index(batch_op.f('ix_batch_department_id'), ['department_id'], unique=False)
        batch_op.create_index('ix_batch_owner_id_id', ['owner_id', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_batch_subject_type'), ['subject_type'], unique=False)
        batch_op.create_index(batch_op.f('ix_batch_token'), ['token'], unique=False)



def downgrade() -> None:
    with op.batch_alter_table('batch') as batch_op:
        batch_op.drop_index(batch_op.f('ix_batch_token'))
        batch_op.drop_index(batch_op.f('ix_batch_subject_type'))
        batch_op.drop_index('ix_batch_owner_id_id')
        batch_op.drop_index(batch_op.f('ix_batch_department_id'))
        batch_op.drop_index(batch_op.f('ix_batch_at'))
    op.drop_table('batch')
