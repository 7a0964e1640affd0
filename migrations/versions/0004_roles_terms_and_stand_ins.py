"""Roles, terms and stand-ins"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
import models.base

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

DECLARED = ('administrator', 'management', 'clerk', 'approver', 'auditor')
ACCESS_ROLE = sa.table(
    'access_role',
    sa.column('name', sa.String),
    sa.column('second_factor', sa.Boolean),
    sa.column('state', sa.String),
    sa.column('role_id', sa.Integer),
    sa.column('created_at', models.base.Moment),
    sa.column('changed_at', models.base.Moment),
    sa.column('version', sa.Integer),
)


def upgrade() -> None:
    op.create_table('access_role',
    sa.Column('id', models.base.Identity, nullable=False),
    sa.Column('name', sa.String(length=60), nullable=False),
    sa.Column('purpose', sa.String(length=300), nullable=True),
    sa.Column('second_factor', sa.Boolean(), nullable=False),
    sa.Column('words', sa.String(length=300), nullable=True),
    sa.Column('grants', sa.JSON(none_as_null=True), nullable=True),
    sa.Column('state', sa.Enum('declared', 'made', 'retired', name='rolestate', native_enum=False, create_constraint=True, length=40), nullable=False),
    sa.Column('role_id', sa.Integer(), nullable=True),
    sa.Column('created_at', models.base.Moment(), nullable=False),
    sa.Column('created_by_id', sa.Integer(), nullable=True),
    sa.Column('changed_at', models.base.Moment(), nullable=False),
    sa.Column('changed_by_id', sa.Integer(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['role_id'], ['ab_role.id'], name=op.f('fk_access_role_role_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_access_role')),
    sa.UniqueConstraint('name', name=op.f('uq_access_role_name')),
    sa.UniqueConstraint('role_id', name=op.f('uq_access_role_role_id')),
    sqlite_autoincrement=True
    )
    op.create_table('delegation',
    sa.Column('id', models.base.Identity, nullable=False),
    sa.Column('owner_id', sa.Integer(), nullable=False),
    sa.Column('deputy_id', sa.Integer(), nullable=True),
    sa.Column('department_id', models.base.Identity, nullable=True),
    sa.Column('from_day', sa.Date(), nullable=False),
    sa.Column('until_day', sa.Date(), nullable=False),
    sa.Column('reason', sa.String(length=200), nullable=True),
    sa.Column('state', sa.Enum('agreed', 'ended', name='termstate', native_enum=False, create_constraint=True, length=40), nullable=False),
    sa.Column('created_at', models.base.Moment(), nullable=False),
    sa.Column('created_by_id', sa.Integer(), nullable=True),
    sa.Column('changed_at', models.base.Moment(), nullable=False),
    sa.Column('changed_by_id', sa.Integer(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['department_id'], ['department.id'], name=op.f('fk_delegation_department_id')),
    sa.ForeignKeyConstraint(['deputy_id'], ['ab_user.id'], name=op.f('fk_delegation_deputy_id')),
    sa.ForeignKeyConstraint(['owner_id'], ['ab_user.id'], name=op.f('fk_delegation_owner_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_delegation')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('delegation', schema=None) as batch_op:
        batch_op.create_index('ix_delegation_department_id_until_day', ['department_id', 'until_day'], unique=False)
        batch_op.create_index('ix_delegation_deputy_id_until_day', ['deputy_id', 'until_day'], unique=False)
        batch_op.create_index(batch_op.f('ix_delegation_owner_id'), ['owner_id'], unique=False)

    op.create_table('role_term',
    sa.Column('id', models.base.Identity, nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('role_id', models.base.Identity, nullable=False),
    sa.Column('from_day', sa.Date(), nullable=False),
    sa.Column('until_day', sa.Date(), nullable=False),
    sa.Column('reason', sa.String(length=200), nullable=True),
    sa.Column('state', sa.Enum('agreed', 'ended', name='termstate', native_enum=False, create_constraint=True, length=40), nullable=False),
    sa.Column('created_at', models.base.Moment(), nullable=False),
    sa.Column('created_by_id', sa.Integer(), nullable=True),
    sa.Column('changed_at', models.base.Moment(), nullable=False),
    sa.Column('changed_by_id', sa.Integer(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['ab_user.id'], name=op.f('fk_role_term_account_id')),
    sa.ForeignKeyConstraint(['role_id'], ['access_role.id'], name=op.f('fk_role_term_role_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_role_term')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('role_term', schema=None) as batch_op:
        batch_op.create_index('ix_role_term_account_id_until_day', ['account_id', 'until_day'], unique=False)
        batch_op.create_index(batch_op.f('ix_role_term_role_id'), ['role_id'], unique=False)

    if op.get_bind().dialect.name == 'sqlite':
        # Not in a batch, which would make the table anew: others refer to its rows.
        op.execute('ALTER TABLE event ADD COLUMN on_behalf_of_id INTEGER '
                   'CONSTRAINT fk_event_on_behalf_of_id REFERENCES ab_user (id)')
    else:
        op.add_column('event', sa.Column('on_behalf_of_id', sa.Integer(), nullable=True))
        op.create_foreign_key('fk_event_on_behalf_of_id', 'event', 'ab_user', ['on_behalf_of_id'], ['id'])
    keep_declared()


def keep_declared() -> None:
    """The roles that people hold go on from the first moment; ``sync`` fills in what they grant."""
    held = sa.table('ab_role', sa.column('id', sa.Integer), sa.column('name', sa.String))
    moment = sa.func.current_timestamp()
    rows = sa.select(
        held.c.name, sa.false(), sa.literal('declared'), held.c.id, moment, moment, sa.literal(1)
    ).where(held.c.name.in_(DECLARED))
    names = ['name', 'second_factor', 'state', 'role_id', 'created_at', 'changed_at', 'version']
    op.execute(sa.insert(ACCESS_ROLE).from_select(names, rows))


def downgrade() -> None:
    if op.get_bind().dialect.name == 'sqlite':
        op.execute('ALTER TABLE event DROP COLUMN on_behalf_of_id')
    else:
        op.drop_constraint('fk_event_on_behalf_of_id', 'event', type_='foreignkey')
        op.drop_column('event', 'on_behalf_of_id')

    with op.batch_alter_table('role_term', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_role_term_role_id'))
        batch_op.drop_index('ix_role_term_account_id_until_day')

    op.drop_table('role_term')
    with op.batch_alter_table('delegation', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_delegation_owner_id'))
        batch_op.drop_index('ix_delegation_deputy_id_until_day')
        batch_op.drop_index('ix_delegation_department_id_until_day')

    op.drop_table('delegation')
    op.drop_table('access_role')
